/** Migrations of servers: rows in and out. Who migrates writes them; here they are found. */
import type { Selectable } from 'kysely'
import { LIVE_IN_PROGRESS, type Migration, type MigrationProgress, type MigrationType } from '../domain/migration.ts'
import type { Db } from './database.ts'
import type { ServerMigrationsTable } from './tables.ts'

const toMigration = (row: Selectable<ServerMigrationsTable>): Migration => ({
  id: row.id,
  number: Number(row.number),
  serverId: row.server_id,
  projectId: row.project_id,
  userId: row.user_id,
  type: row.type as MigrationType,
  status: row.status,
  sourceHost: row.source_host,
  sourceHypervisor: row.source_hypervisor,
  destHost: row.dest_host,
  destHypervisor: row.dest_hypervisor,
  destIp: row.dest_ip,
  oldFlavorNumber: row.old_flavor_number,
  newFlavorNumber: row.new_flavor_number,
  progress: row.progress === null ? null : (JSON.parse(row.progress) as MigrationProgress),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

export async function insertMigration(db: Db, migration: Omit<Migration, 'number'>): Promise<void> {
  await db
    .insertInto('server_migrations')
    .values({
      id: migration.id,
      server_id: migration.serverId,
      project_id: migration.projectId,
      user_id: migration.userId,
      type: migration.type,
      status: migration.status,
      source_host: migration.sourceHost,
      source_hypervisor: migration.sourceHypervisor,
      dest_host: migration.destHost,
      dest_hypervisor: migration.destHypervisor,
      dest_ip: migration.destIp,
      old_flavor_number: migration.oldFlavorNumber,
      new_flavor_number: migration.newFlavorNumber,
      progress: migration.progress === null ? null : JSON.stringify(migration.progress),
      hidden: 0,
      created_at: migration.createdAt,
      updated_at: migration.updatedAt,
    })
    .execute()
}

export interface MigrationFilter {
  readonly hidden: boolean
  /** From or to there. */
  readonly host?: string | undefined
  readonly sourceHost?: string | undefined
  readonly serverId?: string | undefined
  readonly status?: string | undefined
  readonly type?: string | undefined
  readonly projectId?: string | undefined
  readonly userId?: string | undefined
  readonly changedSince?: number | undefined
  readonly changedBefore?: number | undefined
  readonly page?: { readonly limit: number; readonly marker?: string | undefined } | undefined
}

/** Newest first where they are paged, else oldest first. Undefined: nobody knows the marker. */
export async function listMigrations(db: Db, filter: MigrationFilter): Promise<readonly Migration[] | undefined> {
  const { host, page, changedSince, changedBefore } = filter
  let query = db.selectFrom('server_migrations').selectAll().where('hidden', '=', Number(filter.hidden))
  if (host !== undefined)
    query = query.where(({ or, eb }) => or([eb('source_host', '=', host), eb('dest_host', '=', host)]))
  for (const [column, value] of [
    ['source_host', filter.sourceHost],
    ['server_id', filter.serverId],
    ['status', filter.status],
    ['type', filter.type],
    ['project_id', filter.projectId],
    ['user_id', filter.userId],
  ] as const)
    if (value !== undefined) query = query.where(column, '=', value)
  if (changedSince !== undefined) query = query.where('updated_at', '>=', changedSince)
  if (changedBefore !== undefined) query = query.where('updated_at', '<=', changedBefore)
  if (!page) return (await query.orderBy('number').execute()).map(toMigration)
  if (page.marker !== undefined) {
    const after = await db
      .selectFrom('server_migrations')
      .select(['created_at', 'number'])
      .where('id', '=', page.marker)
      .executeTakeFirst()
    if (!after) return undefined
    query = query.where(({ or, and, eb }) =>
      or([
        eb('created_at', '<', after.created_at),
        and([eb('created_at', '=', after.created_at), eb('number', '<', after.number)]),
      ]),
    )
  }
  const rows = await query.orderBy('created_at', 'desc').orderBy('number', 'desc').limit(page.limit).execute()
  return rows.map(toMigration)
}

/** The live migrations of a server that are not over. */
export async function liveMigrationsOf(db: Db, serverId: string): Promise<readonly Migration[]> {
  const rows = await db
    .selectFrom('server_migrations')
    .selectAll()
    .where('server_id', '=', serverId)
    .where('type', '=', 'live-migration')
    .where('status', 'in', LIVE_IN_PROGRESS)
    .orderBy('number')
    .execute()
  return rows.map(toMigration)
}

/** By number, as paths have it. */
export async function findMigration(db: Db, serverId: string, number: string): Promise<Migration | undefined> {
  if (!/^\d{1,15}$/.test(number)) return undefined
  const row = await db
    .selectFrom('server_migrations')
    .selectAll()
    .where('server_id', '=', serverId)
    .where('number', '=', Number(number))
    .executeTakeFirst()
  return row && toMigration(row)
}

/** What is over, or has not begun; the rest is in progress. */
const AT_REST = ['accepted', 'confirmed', 'reverted', 'error', 'failed', 'completed', 'cancelled', 'done']

/** Whether anything is on its way from the host, or to it. */
export async function isMigrating(db: Db, host: string): Promise<boolean> {
  const row = await db
    .selectFrom('server_migrations')
    .select('id')
    .where('status', 'not in', AT_REST)
    .where(({ or, eb }) => or([eb('source_host', '=', host), eb('dest_host', '=', host)]))
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
