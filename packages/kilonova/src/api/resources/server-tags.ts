/** Tags of a server: words without an order that lists of servers can be filtered by. Changed one by one or as a whole. */
import { z } from 'zod'
import { atomically } from '../../db/database.ts'
import { setTags } from '../../db/server-columns.ts'
import { findServer } from '../../db/servers.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Server } from '../../domain/server.ts'
import { denied } from '../../task/denied.ts'
import type { Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { MOST_TAGS, tag, tags } from '../fields.ts'
import { get, put, remove } from '../resource.ts'
import { serverTarget } from './server-target.ts'

type Tags = Server['tags']
/** As upstream, a locked server keeps no one from tagging it. */
const WHEN = {
  when: { vmState: ['active', 'paused', 'suspended', 'stopped'], taskState: 'any', allowLocked: true },
  duringTask: 'refuse',
} as const

/** Reads, changes and writes in one transaction. Errors: InstanceInvalidState, those of `change`. */
async function edit(
  { db, clock, caller }: Ctx,
  { id }: Server,
  what: string,
  change: (now: Tags) => Tags,
): Promise<Tags> {
  return atomically(db, async (tx) => {
    const server = await findServer(tx, id)
    if (!server) throw new NovaError('InstanceNotFound', { id })
    const problem = denied(what, WHEN, server, caller.isAdmin)
    if (problem) throw problem
    const next = [...new Set(change(server.tags))].toSorted()
    await setTags(tx, id, next, clock.now())
    return next
  })
}

const tagOf = ({ params }: Ctx): string => params['tag'] ?? ''
function present(ctx: Ctx, { id }: Server, now: Tags): void {
  if (!now.includes(tagOf(ctx))) throw new NovaError('TagNotFound', { server: id, tag: tagOf(ctx) })
}

async function add(ctx: Ctx, target: Server): Promise<void> {
  const asked = tagOf(ctx)
  let added = false
  await edit(ctx, target, 'update tag', (now) => {
    if (!tag.safeParse(asked).success)
      throw badRequest(`Tag '${asked}' is invalid. It must be a text of 1 to 60 characters without '/' and ','.`)
    if (now.length >= MOST_TAGS) throw badRequest(`The number of tags exceeded the per-server limit ${MOST_TAGS}`)
    added = !now.includes(asked)
    return [...now, asked]
  })
  ctx.setStatus(added ? 201 : 204)
  if (added) ctx.setHeader('location', `${ctx.at.base}/servers/${target.id}/tags/${encodeURIComponent(asked)}`)
}

const all = (items: Tags) => ({ tags: items })
const path = '/servers/:id/tags'

export const serverTags = [
  get(path, {
    policy: 'os_compute_api:os-server-tags:index',
    since: '2.26',
    target: serverTarget,
    run: async (_ctx, { target }) => target.tags,
    view: all,
  }),
  put(path, {
    policy: 'os_compute_api:os-server-tags:update_all',
    since: '2.26',
    body: z.strictObject({ tags }),
    target: serverTarget,
    run: (ctx, { body, target }) => edit(ctx, target, 'update tags', () => body.tags),
    view: all,
  }),
  remove(path, {
    policy: 'os_compute_api:os-server-tags:delete_all',
    since: '2.26',
    status: 204,
    target: serverTarget,
    run: async (ctx, { target }) => {
      await edit(ctx, target, 'delete tags', () => [])
    },
  }),
  get(`${path}/:tag`, {
    policy: 'os_compute_api:os-server-tags:show',
    since: '2.26',
    status: 204,
    target: serverTarget,
    run: async (ctx, { target }) => present(ctx, target, target.tags),
  }),
  put(`${path}/:tag`, {
    policy: 'os_compute_api:os-server-tags:update',
    since: '2.26',
    status: { '2.26': 201 },
    target: serverTarget,
    run: (ctx, { target }) => add(ctx, target),
  }),
  remove(`${path}/:tag`, {
    policy: 'os_compute_api:os-server-tags:delete',
    since: '2.26',
    status: 204,
    target: serverTarget,
    run: async (ctx, { target }) => {
      await edit(ctx, target, 'delete tag', (now) => {
        present(ctx, target, now)
        return now.filter((each) => each !== tagOf(ctx))
      })
    },
  }),
]
