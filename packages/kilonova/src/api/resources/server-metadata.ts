/** Metadata of a server: texts under keys, changed item by item or as a whole. */
import { z } from 'zod'
import { atomically } from '../../db/database.ts'
import { nearestLimits } from '../../db/quotas.ts'
import { setMetadata } from '../../db/server-columns.ts'
import { findServer } from '../../db/servers.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Server } from '../../domain/server.ts'
import { denied } from '../../task/denied.ts'
import type { Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { metadata } from '../fields.ts'
import { get, post, put, remove } from '../resource.ts'
import { serverTarget } from './server-target.ts'

type Items = Server['metadata']
const WHEN = {
  when: { vmState: ['active', 'paused', 'suspended', 'stopped'], taskState: 'any' },
  duringTask: 'refuse',
} as const
const what = { create: 'update metadata', update: 'update metadata', delete: 'delete metadata' } as const

/** Reads, changes and writes in one transaction. Errors: InstanceIsLocked, InstanceInvalidState, MetadataLimitExceeded. */
async function edit(
  { db, clock, caller, config }: Ctx,
  { id, projectId, userId }: Server,
  kind: keyof typeof what,
  change: (now: Items) => Items,
): Promise<Items> {
  const { metadata_items: allowed } = await nearestLimits(db, { projectId, userId }, config.quota)
  return atomically(db, async (tx) => {
    const server = await findServer(tx, id)
    if (!server) throw new NovaError('InstanceNotFound', { id })
    const problem = denied(what[kind], WHEN, server, caller.isAdmin)
    if (problem) throw problem
    const items = change(server.metadata)
    if (allowed >= 0 && kind !== 'delete' && Object.keys(items).length > allowed)
      throw new NovaError('MetadataLimitExceeded', { allowed })
    await setMetadata(tx, id, items, clock.now())
    return items
  })
}

const keyOf = ({ params }: Ctx): string => params['key'] ?? ''
function item(ctx: Ctx, items: Items): Items {
  const key = keyOf(ctx)
  const value = Object.hasOwn(items, key) ? items[key] : undefined
  if (value === undefined) throw new NovaError('MetadataItemNotFound', {})
  return { [key]: value }
}

const whole = z.strictObject({ metadata })
const all = (items: Items) => ({ metadata: items })
const one = (items: Items) => ({ meta: items })
const path = '/servers/:id/metadata'

export const serverMetadata = [
  get(path, {
    policy: 'os_compute_api:server-metadata:index',
    target: serverTarget,
    run: async (_ctx, { target }) => target.metadata,
    view: all,
  }),
  post(path, {
    policy: 'os_compute_api:server-metadata:create',
    body: whole,
    target: serverTarget,
    run: (ctx, { body, target }) => edit(ctx, target, 'create', (now) => ({ ...now, ...body.metadata })),
    view: all,
  }),
  put(path, {
    policy: 'os_compute_api:server-metadata:update_all',
    body: whole,
    target: serverTarget,
    run: (ctx, { body, target }) => edit(ctx, target, 'update', () => body.metadata),
    view: all,
  }),
  get(`${path}/:key`, {
    policy: 'os_compute_api:server-metadata:show',
    target: serverTarget,
    run: async (ctx, { target }) => item(ctx, target.metadata),
    view: one,
  }),
  put(`${path}/:key`, {
    policy: 'os_compute_api:server-metadata:update',
    body: z.strictObject({ meta: metadata }),
    target: serverTarget,
    run: async (ctx, { body, target }) => {
      const [key, ...more] = Object.keys(body.meta)
      if (key !== keyOf(ctx) || more.length > 0) throw badRequest('Request body and URI mismatch')
      await edit(ctx, target, 'update', (now) => ({ ...now, ...body.meta }))
      return body.meta
    },
    view: one,
  }),
  remove(`${path}/:key`, {
    policy: 'os_compute_api:server-metadata:delete',
    status: 204,
    target: serverTarget,
    run: async (ctx, { target }) => {
      await edit(ctx, target, 'delete', (now) => {
        item(ctx, now)
        return Object.fromEntries(Object.entries(now).filter(([key]) => key !== keyOf(ctx)))
      })
    },
  }),
]
