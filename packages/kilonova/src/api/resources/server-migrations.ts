/** The live migrations of a server that are under way. */
import { isoMicros } from '@kilonova/base/clock.ts'
import { z } from 'zod'
import { findMigration, liveMigrationsOf } from '../../db/server-migrations.ts'
import { LIVE_IN_PROGRESS, type Migration, type MigrationProgress } from '../../domain/migration.ts'
import type { Server } from '../../domain/server.ts'
import { denied } from '../../task/denied.ts'
import type { At, Ctx } from '../context.ts'
import { ApiFault, badRequest, notFound } from '../faults.ts'
import { get, post, remove, since, view, wrapped } from '../resource.ts'
import { serverTarget } from './server-target.ts'

const HOSTS = 'os_compute_api:servers:migrations:index:host'
type Shown = Migration & { readonly showsHosts: boolean }
const host =
  <T>(of: (migration: Migration) => T) =>
  (migration: Shown): T | null =>
    migration.showsHosts ? of(migration) : null
const bytes =
  (of: keyof MigrationProgress) =>
  ({ progress }: Migration): number | null =>
    progress?.[of] ?? null

const shown = view<Shown>({
  id: ({ number }) => number,
  uuid: since('2.59', ({ id }) => id),
  server_uuid: ({ serverId }) => serverId,
  status: ({ status }) => status,
  source_compute: host(({ sourceHost }) => sourceHost),
  source_node: host(({ sourceHypervisor }) => sourceHypervisor),
  dest_compute: host(({ destHost }) => destHost),
  dest_node: host(({ destHypervisor }) => destHypervisor),
  dest_host: host(({ destIp }) => destIp),
  memory_total_bytes: bytes('memoryTotalBytes'),
  memory_processed_bytes: bytes('memoryProcessedBytes'),
  memory_remaining_bytes: bytes('memoryRemainingBytes'),
  disk_total_bytes: bytes('diskTotalBytes'),
  disk_processed_bytes: bytes('diskProcessedBytes'),
  disk_remaining_bytes: bytes('diskRemainingBytes'),
  created_at: ({ createdAt }) => isoMicros(createdAt),
  updated_at: ({ updatedAt }) => (updatedAt === null ? null : isoMicros(updatedAt)),
  user_id: since('2.80', ({ userId }) => userId),
  project_id: since('2.80', ({ projectId }) => projectId),
})

const numberOf = ({ params }: Ctx): string => params['migration_id'] ?? ''
const inProgress = ({ status }: Migration): boolean => (LIVE_IN_PROGRESS as readonly string[]).includes(status)

/** Errors: 404 with upstream's reasons. */
async function find(ctx: Ctx, { id: server }: Server): Promise<Migration> {
  const number = numberOf(ctx)
  const migration = await findMigration(ctx.db, server, number)
  if (!migration) throw notFound(`In-progress live migration ${number} is not found for server ${server}.`)
  if (migration.type !== 'live-migration')
    throw notFound(`Migration ${number} for server ${server} is not live-migration.`)
  if (!inProgress(migration)) throw notFound(`Live migration ${number} for server ${server} is not in progress.`)
  return migration
}

/** Whatever could be changed, there is nothing yet that changes it. Errors: 409 for the server's state, 404 or 400 for the migration, 501. */
async function unchangeable(
  ctx: Ctx,
  server: Server,
  {
    action,
    states,
    vmState = 'any',
  }: { action: string; states: readonly string[]; vmState?: 'any' | readonly ['active'] },
  unknown: (text: string) => Error,
): Promise<never> {
  const when = { vmState, taskState: ['migrating'] } as const
  const problem = denied(action, { when, duringTask: 'refuse' }, server, ctx.caller.isAdmin)
  if (problem) throw problem
  const number = numberOf(ctx)
  const migration = await findMigration(ctx.db, server.id, number)
  if (!migration) throw unknown(`Migration ${number} not found for instance ${server.id}`)
  if (!states.includes(migration.status))
    throw badRequest(
      `Migration ${number} state of instance ${server.id} is ${migration.status}. Cannot ${action} while the migration is in this state.`,
    )
  throw new ApiFault(501, 'Live migrations cannot be changed while they run.')
}

const RUNNING = ['running'] as const
const path = '/servers/:id/migrations'
const lacks = 'live migration'

export const serverMigrations = [
  get(path, {
    policy: 'os_compute_api:servers:migrations:index',
    since: '2.23',
    target: serverTarget,
    run: async ({ db }, { target }) => ({ found: await liveMigrationsOf(db, target.id), server: target }),
    view: ({ found, server }, at: At) => ({
      migrations: found.map((migration) => shown({ ...migration, showsHosts: at.allows(HOSTS, server) }, at)),
    }),
  }),
  get(`${path}/:migration_id`, {
    policy: 'os_compute_api:servers:migrations:show',
    since: '2.23',
    target: serverTarget,
    run: async (ctx, { target }) => ({ ...(await find(ctx, target)), showsHosts: true }),
    view: wrapped('migration', shown),
  }),
  remove(`${path}/:migration_id`, {
    policy: 'os_compute_api:servers:migrations:delete',
    since: '2.24',
    status: 202,
    lacks,
    query: {
      '2.24': z.unknown().transform((): readonly string[] => RUNNING),
      '2.65': z.unknown().transform((): readonly string[] => [...RUNNING, 'queued', 'preparing']),
      '2.102': z.strictObject({}).transform((): readonly string[] => [...RUNNING, 'queued', 'preparing']),
    },
    target: serverTarget,
    run: (ctx, { query: states, target }) =>
      unchangeable(ctx, target, { action: 'abort live migration', states }, notFound),
  }),
  post(`${path}/:migration_id/action`, {
    policy: 'os_compute_api:servers:migrations:force_complete',
    since: '2.22',
    status: 202,
    lacks,
    body: z.strictObject({ force_complete: z.null() }),
    target: serverTarget,
    run: (ctx, { target }) =>
      unchangeable(ctx, target, { action: 'force_complete', states: RUNNING, vmState: ['active'] }, badRequest),
  }),
]
