/** A server's disk as an image: what the image says of itself, and the steps that createImage, createBackup and shelve share. */
import { z } from 'zod'
import type { NewImage } from '../clients/glance.ts'
import { isNovaError, NovaError } from '../domain/errors.ts'
import type { Server } from '../domain/server.ts'
import type { TaskState } from '../domain/states.ts'
import type { Base, Spec } from '../task/action.ts'
import { action, type Reach } from './define.ts'
import { hostOf } from './power.ts'

type Ctx = Reach & Base<unknown>

export const newImage = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  owner: z.string(),
  visibility: z.enum(['private', 'shared']),
  diskFormat: z.string(),
  minDiskGb: z.int(),
  minRamMb: z.int(),
  properties: z.record(z.string(), z.string()),
}) satisfies z.ZodType<NewImage>
export type SnapshotImage = z.output<typeof newImage>

/** What belongs to the image's content or place, not to what is in it. Upstream: NON_INHERITABLE_IMAGE_PROPERTIES and the option's default. */
const NOT_INHERITED: ReadonlySet<string> = new Set([
  'cache_in_nova',
  'bittorrent',
  'img_signature',
  'img_signature_hash_method',
  'img_signature_key_type',
  'img_signature_certificate_uuid',
])

export interface Wish {
  readonly id: string
  readonly name: string
  readonly type: 'snapshot' | 'backup'
  /** Who asks, in whose project. An administrator's copy of another project's server can be shared with that project. */
  readonly userId: string
  readonly projectId: string
  readonly properties?: Readonly<Record<string, string>>
}

export function imageOf(server: Server, { id, name, type, userId, projectId, properties = {} }: Wish): SnapshotImage {
  const { image, flavor } = server
  const inherited = Object.fromEntries(
    Object.entries(image?.properties ?? {}).filter(([key]) => !NOT_INHERITED.has(key)),
  )
  return {
    id,
    name,
    owner: projectId,
    visibility: projectId === server.projectId ? 'private' : 'shared',
    diskFormat: 'qcow2',
    minDiskGb: Math.max(image?.minDiskGb ?? 0, flavor.rootGb),
    minRamMb: image?.minRamMb ?? 0,
    properties: {
      ...inherited,
      // A snapshot of a snapshot names the image that all began with.
      base_image_ref: inherited['base_image_ref'] ?? image?.id ?? '',
      boot_roles: server.bootRoles.join(','),
      image_location: 'snapshot',
      image_state: 'available',
      owner_id: projectId,
      instance_uuid: server.id,
      user_id: userId,
      image_type: type,
      ...properties,
    },
  }
}

/** Its user may have deleted the image meanwhile. Errors: SnapshotAborted. */
export async function imageAwaitsContent({ glance }: Ctx, { id }: SnapshotImage): Promise<boolean> {
  const found = await glance.show(id)
  if (!found) throw new NovaError('SnapshotAborted', { reason: `image ${id} is gone` })
  if (found.status === 'active') return false
  // An upload that broke off a moment ago.
  if (found.status !== 'queued') throw new NovaError('ServiceUnavailable', { service: 'image' })
  return true
}

export async function uploadCopy(ctx: Ctx, image: SnapshotImage): Promise<void> {
  if (await imageAwaitsContent(ctx, image)) await hostOf(ctx).uploadSnapshot(image.id, ctx.uploadTicket(image.id))
}

interface Copying<Body> extends Pick<Spec<Body>, 'body' | 'policy' | 'taskState' | 'shownAs'> {
  /** What users see while the host copies. */
  readonly whileCopying: Exclude<TaskState, null>
}

/** A copy of the disk becomes the image that was asked for; the server goes on as it was. All but the last step can be undone. */
export const copying = <Body extends { readonly image: SnapshotImage }>(
  name: string,
  { whileCopying, ...spec }: Copying<Body>,
) =>
  action(name, {
    ...spec,
    // A lock keeps a server from being changed, and a copy changes nothing.
    when: { vmState: ['active', 'stopped', 'paused', 'suspended'], needsHost: true, allowLocked: true },
    duringTask: 'refuse',
    then: {},
  })
    .step('image', {
      run: ({ glance, body }) => glance.create(body.image),
      undo: ({ glance, body }) => glance.remove(body.image.id),
    })
    .step('copy', {
      taskState: whileCopying,
      run: (ctx) => hostOf(ctx).snapshot(ctx.body.image.id),
      undo: (ctx) => hostOf(ctx).removeSnapshot(ctx.body.image.id),
    })
    .step('pending', {
      taskState: 'image_pending_upload',
      run: async (ctx) => void (await imageAwaitsContent(ctx, ctx.body.image)),
    })
    .step('upload', { taskState: 'image_uploading', run: (ctx) => uploadCopy(ctx, ctx.body.image) })
    .pivot()
    .step('drop', { run: (ctx) => hostOf(ctx).removeSnapshot(ctx.body.image.id) })

/** Of a server that is shelved no more. An image that cannot be removed (its owner protects it) stays, and holds up nothing. */
export async function forgetShelved({ glance, server, rows, log }: Ctx): Promise<void> {
  if (server.shelved === null) return
  const { imageId } = server.shelved
  await glance.remove(imageId).catch((error: unknown) => {
    if (isNovaError(error) && error.kind === 'unavailable') throw error
    log.warn('image of a shelved server stays', { image: imageId, error })
  })
  await rows.shelved(null)
}
