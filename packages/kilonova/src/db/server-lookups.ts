/** Servers looked up, and added up, by what the daemons want to know; what users list is in server-list.ts. */
import { sql } from 'kysely'
import type { Server } from '../domain/server.ts'
import type { VmState } from '../domain/states.ts'
import type { Db } from './database.ts'
import { toServer } from './servers.ts'

/** The names that guests know themselves by, by server. */
export async function hostnamesOf(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>()
  for (let from = 0; from < ids.length; from += 1000) {
    const some = ids.slice(from, from + 1000)
    const rows = await db.selectFrom('servers').select(['id', 'hostname']).where('id', 'in', some).execute()
    for (const { id, hostname } of rows) names.set(id, hostname)
  }
  return names
}

/** The servers that live on a host. */
export async function serversOn(db: Db, host: string): Promise<readonly Server[]> {
  const rows = await db
    .selectFrom('servers')
    .selectAll()
    .where('host', '=', host)
    .where('deleted_at', 'is', null)
    .execute()
  return rows.map(toServer)
}

/** Idle servers that were soft-deleted by then, the oldest first. */
export async function softDeletedBy(db: Db, until: number, limit: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('servers')
    .select('id')
    .where('soft_deleted_at', '<=', until)
    .where('task_id', 'is', null)
    .where('deleted_at', 'is', null)
    .orderBy('soft_deleted_at')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}

/** What the living servers of a project, or of one of its users, add up to, without those that are soft-deleted; quota is checked against this, inside the admitting transaction. */
export async function usedByProject(
  db: Db,
  projectId: string,
  userId?: string,
): Promise<{ readonly instances: number; readonly cores: number; readonly ram: number }> {
  let query = db
    .selectFrom('servers')
    .select(({ fn }) => [
      fn.countAll<number>().as('instances'),
      fn.sum<number>('vcpus').as('cores'),
      fn.sum<number>('memory_mb').as('ram'),
    ])
    .where('project_id', '=', projectId)
    .where('deleted_at', 'is', null)
    // A literal: the index of this is only for who says so.
    .where(sql<boolean>`vm_state <> 'soft-delete'`)
  if (userId !== undefined) query = query.where('user_id', '=', userId)
  const row = await query.executeTakeFirst()
  return { instances: Number(row?.instances ?? 0), cores: Number(row?.cores ?? 0), ram: Number(row?.ram ?? 0) }
}

/** Those in a state that no task has. */
export async function idleServers(db: Db, vmState: VmState): Promise<readonly Server[]> {
  const rows = await db
    .selectFrom('servers')
    .selectAll()
    .where('vm_state', '=', vmState)
    .where('task_id', 'is', null)
    .where('deleted_at', 'is', null)
    .execute()
  return rows.map(toServer)
}

/** Being made since before a moment, and not yet given up. */
export async function buildingSince(db: Db, before: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('servers')
    .select('id')
    .where('vm_state', '=', 'building')
    .where('task_id', 'is not', null)
    .where('created_at', '<', before)
    .where('deleted_at', 'is', null)
    .execute()
  return rows.map(({ id }) => id)
}

export async function serversOfProject(db: Db, projectId: string): Promise<readonly Server[]> {
  const rows = await db
    .selectFrom('servers')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('deleted_at', 'is', null)
    .orderBy('number')
    .execute()
  return rows.map(toServer)
}

const CHUNK = 500

/** Where these servers are, deleted ones too; one that never was is missing. */
export async function placesOf(
  db: Db,
  ids: readonly string[],
): Promise<
  readonly { readonly id: string; readonly host: string | null; readonly deleted: boolean; readonly busy: boolean }[]
> {
  const places = []
  for (let from = 0; from < ids.length; from += CHUNK) {
    const some = ids.slice(from, from + CHUNK)
    const rows = await db
      .selectFrom('servers')
      .select(['id', 'host', 'deleted_at', 'task_id'])
      .where('id', 'in', some)
      .execute()
    places.push(
      ...rows.map((row) => ({
        id: row.id,
        host: row.host,
        deleted: row.deleted_at !== null,
        busy: row.task_id !== null,
      })),
    )
  }
  return places
}
