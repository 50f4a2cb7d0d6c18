/** `createImage` and `createBackup`: the image is made at once and in the caller's name, so that their quota counts and its id can be told. */
import { newId } from '@kilonova/base/clock.ts'
import { z } from 'zod'
import { createBackup } from '../../actions/create-backup.ts'
import { createImage } from '../../actions/create-image.ts'
import { imageOf, type SnapshotImage } from '../../actions/snapshot.ts'
import { quotaLimits } from '../../db/quotas.ts'
import { NovaError } from '../../domain/errors.ts'
import type { VersionTable } from '../../domain/microversion.ts'
import type { Server } from '../../domain/server.ts'
import type { Ctx } from '../context.ts'
import { integer, metadata, name } from '../fields.ts'
import { taskRequest, type Prepared } from './task-request.ts'

type Properties = Readonly<Record<string, string>>

/** As long as Nova passed images' metadata on, it counted them. */
const COUNTED: VersionTable<boolean> = { '2.1': true, '2.39': false }
/** Before bodies were answered, the place of the image was. */
const IN_BODY: VersionTable<boolean> = { '2.1': false, '2.45': true }

async function mustFit({ db, caller, config, atVersion }: Ctx, properties: Properties): Promise<void> {
  if (!atVersion(COUNTED)) return
  const { metadata_items: allowed } = await quotaLimits(db, caller.projectId, config.quota)
  if (allowed >= 0 && Object.keys(properties).length > allowed)
    throw new NovaError('MetadataLimitExceeded', { allowed })
}

function wish(ctx: Ctx, server: Server, type: 'snapshot' | 'backup', name: string, properties: Properties) {
  const { userId, projectId } = ctx.caller
  return imageOf(server, { id: newId(), name, type, userId, projectId, properties })
}

async function made(ctx: Ctx, image: SnapshotImage, body: object): Promise<Prepared> {
  const { glance, caller, log } = ctx
  await glance.create(image, caller.token)
  return {
    body: { image, ...body },
    refused: () =>
      glance
        .remove(image.id, caller.token)
        .catch((error: unknown) => log.warn('image of a refused request stays', { image: image.id, error })),
    answer: async () => () => (ctx.atVersion(IN_BODY) ? { image_id: image.id } : undefined),
  }
}

async function located(ctx: Ctx, image: SnapshotImage, prepared: Prepared): Promise<Prepared> {
  if (!ctx.atVersion(IN_BODY)) ctx.setHeader('location', await ctx.glance.urlOf(image.id))
  return prepared
}

export const createImageRequest = taskRequest({
  key: 'createImage',
  action: createImage,
  status: 202,
  value: { '2.1': z.strictObject({ name, metadata: metadata.optional() }) },
  prepare: async (ctx, server, { name: imageName, metadata: properties = {} }) => {
    await mustFit(ctx, properties)
    const image = wish(ctx, server, 'snapshot', imageName, properties)
    return located(ctx, image, await made(ctx, image, {}))
  },
})

const backup = z.strictObject({
  name,
  backup_type: z.string(),
  rotation: integer(0),
  metadata: metadata.optional(),
})

export const createBackupRequest = taskRequest({
  key: 'createBackup',
  action: createBackup,
  status: 202,
  value: { '2.1': backup },
  prepare: async (ctx, server, { name: imageName, backup_type: type, rotation, metadata: properties = {} }) => {
    await mustFit(ctx, properties)
    const image = wish(ctx, server, 'backup', imageName, { ...properties, backup_type: type })
    const prepared = await made(ctx, image, { rotation })
    if (rotation > 0) return located(ctx, image, prepared)
    // The rotation removes it, too: there is nothing to be told of.
    const { answer: _, ...rest } = prepared
    return rest
  },
})
