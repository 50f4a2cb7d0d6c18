/** Servers: listed, shown, changed and deleted. Creation is server-create.ts, what else can be done to one server-action.ts. */
import { z } from 'zod'
import { deleteServer } from '../../actions/delete.ts'
import { admit } from '../../actions/admit.ts'
import { softDelete } from '../../actions/soft-delete.ts'
import { hostStatuses } from '../../db/host-status.ts'
import { findListed, type ListedRow } from '../../db/server-list.ts'
import { changeServer, type ServerChange } from '../../db/server-columns.ts'
import { NovaError } from '../../domain/errors.ts'
import type { At, Ctx } from '../context.ts'
import { description, fqdn, hostname, ipv4, ipv6, name } from '../fields.ts'
import { get, put, remove } from '../resource.ts'
import { untilGone } from '../until-gone.ts'
import { serverFilter, serverQuery, type ServerQuery } from './server-filters.ts'
import { serverTarget } from './server-target.ts'
import { changedServerView, oneServerView, serverAt, type SeenServer } from './server-view.ts'

export interface Shown extends SeenServer {
  readonly projectId: string
  readonly isAdmin: boolean
  readonly serviceDownMs: number
}

const downMs = ({ config }: Ctx): number => config.DEFAULT.service_down_time * 1000

/** The server with what only administrators see of its host. Errors: NovaError InstanceNotFound. */
export async function shown(ctx: Ctx): Promise<Shown> {
  const { db, caller, clock, params } = ctx
  const id = params['id'] ?? ''
  const row = await findListed(db, id)
  const visible = row && row.deleted_at === null && (row.project_id === caller.projectId || caller.isAdmin)
  if (!row || !visible) throw new NovaError('InstanceNotFound', { id })
  return {
    row,
    projectId: row.project_id,
    hostStatus: await statusOf(ctx, row, clock.now()),
    isAdmin: caller.isAdmin,
    serviceDownMs: downMs(ctx),
  }
}
async function statusOf(ctx: Ctx, { host }: ListedRow, now: number): Promise<string> {
  if (host === null || !ctx.at.allows('os_compute_api:servers:show:host_status:unknown-only')) return ''
  return (await hostStatuses(ctx.db, now, downMs(ctx), host))[host] ?? 'UNKNOWN'
}

const list = (ctx: Ctx, query: ServerQuery, detail: boolean) => {
  const filter = serverFilter(ctx, query, detail ? 'detail' : 'index')
  return async (at: At) => ctx.lister.page({ detail, filter, at: serverAt(at, ctx.caller.isAdmin, downMs(ctx)) })
}
const page = (read: (at: At) => Promise<unknown>, at: At) => read(at)

const v1 = {
  name: name.optional(),
  'OS-DCF:diskConfig': z.enum(['AUTO', 'MANUAL']).optional(),
  accessIPv4: ipv4.optional(),
  accessIPv6: ipv6.optional(),
}
const v19 = { ...v1, description: description.optional() }
const v90 = { ...v19, hostname: hostname.optional() }
const v94 = { ...v19, hostname: fqdn.optional() }
const change = <S extends z.ZodRawShape>(shape: S) => z.strictObject({ server: z.strictObject(shape) })

type Change = Partial<z.output<z.ZodObject<typeof v94>>>
const changeOf = ({
  name,
  description,
  hostname,
  accessIPv4,
  accessIPv6,
  'OS-DCF:diskConfig': diskConfig,
}: Change): ServerChange => ({
  ...(name === undefined ? {} : { name }),
  ...(description === undefined ? {} : { description }),
  ...(hostname === undefined ? {} : { hostname }),
  ...(accessIPv4 === undefined ? {} : { accessIpV4: accessIPv4 || null }),
  ...(accessIPv6 === undefined ? {} : { accessIpV6: accessIPv6 || null }),
  ...(diskConfig === undefined ? {} : { diskConfig }),
})

export const forViewer = (server: Shown, at: At) => serverAt(at, server.isAdmin, server.serviceDownMs)

export const servers = [
  get('/servers', {
    policy: 'os_compute_api:servers:index',
    query: serverQuery,
    run: async (ctx, { query }) => list(ctx, query, false),
    view: page,
  }),
  get('/servers/detail', {
    policy: 'os_compute_api:servers:detail',
    query: serverQuery,
    run: async (ctx, { query }) => list(ctx, query, true),
    view: page,
  }),
  get('/servers/:id', {
    policy: 'os_compute_api:servers:show',
    target: shown,
    run: async (_ctx, { target }) => target,
    view: (server, at) => `{"server":${oneServerView(server, forViewer(server, at))}}`,
  }),
  put('/servers/:id', {
    policy: 'os_compute_api:servers:update',
    body: { '2.1': change(v1), '2.19': change(v19), '2.90': change(v90), '2.94': change(v94) },
    target: serverTarget,
    run: async (ctx, { body, target }) => {
      await changeServer(ctx.db, target.id, changeOf(body.server), ctx.clock.now())
      return shown(ctx)
    },
    view: (server, at) => `{"server":${changedServerView(server, forViewer(server, at))}}`,
  }),
  remove('/servers/:id', {
    policy: 'os_compute_api:servers:delete',
    status: 204,
    target: serverTarget,
    run: async (ctx, { target }) => {
      // What never ran, or has no disk anywhere, would have nothing to be restored to.
      const canWait =
        ctx.config.DEFAULT.reclaim_instance_interval > 0 && target.launchedAt !== null && target.host !== null
      const gone = target.host === null ? untilGone(ctx, target.id) : undefined
      await admit(ctx, ctx.caller, canWait ? softDelete : deleteServer, target.id, null)
      await gone
    },
  }),
]
