/** Migrations of all servers, for operators; the managers of a project see its own, without hosts. */
import { isoMicros } from '@kilonova/base/clock.ts'
import { z } from 'zod'
import { listMigrations } from '../../db/server-migrations.ts'
import { NovaError } from '../../domain/errors.ts'
import { LIVE_IN_PROGRESS, type Migration } from '../../domain/migration.ts'
import type { At, Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { boolean, digits, moment, once } from '../fields.ts'
import { fullPage, get, pageOf, selfLinks, since, view } from '../resource.ts'

const INDEX = 'os_compute_api:os-migrations:index'
const HOSTS = 'os_compute_api:os-migrations:index:host'
const forOperators =
  <T>(of: (migration: Migration) => T) =>
  (migration: Migration, at: At): T | null =>
    at.allows(HOSTS) ? of(migration) : null

const isLive = ({ type, status }: Migration): boolean =>
  type === 'live-migration' && (LIVE_IN_PROGRESS as readonly string[]).includes(status)

const shown = view<Migration>({
  id: ({ number }) => number,
  uuid: since('2.59', ({ id }) => id),
  instance_uuid: ({ serverId }) => serverId,
  migration_type: since('2.23', ({ type }) => type),
  status: ({ status }) => status,
  source_compute: forOperators(({ sourceHost }) => sourceHost),
  source_node: forOperators(({ sourceHypervisor }) => sourceHypervisor),
  dest_compute: forOperators(({ destHost }) => destHost),
  dest_node: forOperators(({ destHypervisor }) => destHypervisor),
  dest_host: forOperators(({ destIp }) => destIp),
  old_instance_type_id: ({ oldFlavorNumber }) => oldFlavorNumber,
  new_instance_type_id: ({ newFlavorNumber }) => newFlavorNumber,
  created_at: ({ createdAt }) => isoMicros(createdAt),
  updated_at: ({ updatedAt }) => (updatedAt === null ? null : isoMicros(updatedAt)),
  user_id: since('2.80', ({ userId }) => userId),
  project_id: since('2.80', ({ projectId }) => projectId),
  links: since('2.23', (migration, at) =>
    isLive(migration) ? selfLinks(at, `servers/${migration.serverId}/migrations`, String(migration.number)) : undefined,
  ),
})

const text = once(z.string())
const v1 = {
  hidden: once(boolean),
  host: text,
  instance_uuid: text,
  source_compute: text,
  status: text,
  migration_type: text,
}
const v59 = { ...v1, limit: once(digits), marker: text, 'changes-since': moment }
const v66 = { ...v59, 'changes-before': moment }
const v80 = { ...v66, user_id: text, project_id: text }
const paged = <T extends object>(asked: T) => ({ ...asked, paged: true })
const queries = {
  '2.1': z.object(v1),
  '2.59': z.strictObject(v59).transform(paged),
  '2.66': z.strictObject(v66).transform(paged),
  '2.80': z.strictObject(v80).transform(paged),
} as const
type Query = Partial<z.output<z.ZodObject<typeof v80>>> & { readonly paged?: boolean }

/** Errors: Forbidden, MarkerNotFound, a 400 for times. */
async function list(ctx: Ctx, query: Query) {
  const { db, caller, config } = ctx
  const { project_id: projectId, 'changes-since': changedSince, 'changes-before': changedBefore, marker } = query
  if (projectId !== caller.projectId) ctx.check(`${INDEX}:all_projects`)
  if (changedSince !== undefined && changedBefore !== undefined && changedSince > changedBefore)
    throw badRequest('The value of changes-since must be less than or equal to changes-before.')
  const limit = Math.min(query.limit ?? config.api.max_limit, config.api.max_limit)
  const found = await listMigrations(db, {
    hidden: query.hidden ?? false,
    host: query.host,
    sourceHost: query.source_compute,
    serverId: query.instance_uuid,
    status: query.status,
    type: query.migration_type,
    userId: query.user_id,
    projectId,
    changedSince,
    changedBefore,
    page: query.paged ? { limit, marker } : undefined,
  })
  if (!found) throw new NovaError('MarkerNotFound', { marker: marker ?? '' })
  return query.paged ? fullPage(found, limit, ({ id }) => id) : { items: found, next: undefined }
}

export const migrations = [
  get('/os-migrations', {
    policy: INDEX,
    query: queries,
    run: (ctx, { query }) => list(ctx, query),
    view: pageOf('migrations', shown),
  }),
]
