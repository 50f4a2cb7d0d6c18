/** Server groups. Who is in one is a column of the servers; where they are is told by their allocations, which claims write. */
import type { Selectable } from 'kysely'
import type { GroupPolicy, ServerGroup } from '../domain/server-group.ts'
import type { Db } from './database.ts'
import type { ServerGroupsTable } from './tables.ts'

const toGroup = (row: Selectable<ServerGroupsTable>): ServerGroup => ({
  id: row.id,
  name: row.name,
  projectId: row.project_id,
  userId: row.user_id,
  policy: row.policy as GroupPolicy,
  maxPerHost: row.max_per_host,
})

/** What is locked before a group's servers are counted, whether for its quota or for its policy. */
export const groupGuard = (id: string): string => `group/${id}`

export async function insertServerGroup(db: Db, group: ServerGroup, now: number): Promise<void> {
  await db
    .insertInto('server_groups')
    .values({
      id: group.id,
      name: group.name,
      project_id: group.projectId,
      user_id: group.userId,
      policy: group.policy,
      max_per_host: group.maxPerHost,
      created_at: now,
    })
    .execute()
}

export async function findServerGroup(db: Db, id: string): Promise<ServerGroup | undefined> {
  const row = await db.selectFrom('server_groups').selectAll().where('id', '=', id).executeTakeFirst()
  return row && toGroup(row)
}

/** Oldest first; of all projects when none is named. */
export async function listServerGroups(
  db: Db,
  projectId: string | undefined,
  { limit, offset }: { readonly limit: number; readonly offset: number },
): Promise<readonly ServerGroup[]> {
  let query = db.selectFrom('server_groups').selectAll()
  if (projectId !== undefined) query = query.where('project_id', '=', projectId)
  return (await query.orderBy('number').limit(limit).offset(offset).execute()).map(toGroup)
}

/** Of a project, or of one of its users. */
export async function countServerGroups(db: Db, projectId: string, userId?: string): Promise<number> {
  let query = db
    .selectFrom('server_groups')
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .where('project_id', '=', projectId)
  if (userId !== undefined) query = query.where('user_id', '=', userId)
  const row = await query.executeTakeFirst()
  return Number(row?.n ?? 0)
}

/** Its servers live on, in no group. The caller holds its guard. */
export async function deleteServerGroup(db: Db, id: string): Promise<void> {
  await db.updateTable('servers').set({ group_id: null }).where('group_id', '=', id).execute()
  await db.deleteFrom('server_groups').where('id', '=', id).execute()
  await db.deleteFrom('guards').where('id', '=', groupGuard(id)).execute()
}

/** The servers in each of the groups that are not deleted, oldest first. */
export async function membersOf(db: Db, groupIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const members = new Map<string, string[]>(groupIds.map((id) => [id, []]))
  if (groupIds.length === 0) return members
  const rows = await db
    .selectFrom('servers')
    .select(['id', 'group_id'])
    .where('group_id', 'in', groupIds)
    .where('deleted_at', 'is', null)
    .orderBy('number')
    .execute()
  for (const { id, group_id: group } of rows) members.get(group ?? '')?.push(id)
  return members
}

/** How many of the group's servers have a claim on each host, these servers' own aside. */
export async function groupServersByHost(
  db: Db,
  groupId: string,
  without: readonly string[],
): Promise<Readonly<Record<string, number>>> {
  const rows = await db
    .selectFrom('servers')
    .innerJoin('allocations', 'allocations.consumer_id', 'servers.id')
    .select(['allocations.host', 'servers.id'])
    .where('servers.group_id', '=', groupId)
    .where('servers.deleted_at', 'is', null)
    .execute()
  const aside = new Set(without)
  const counts: Record<string, number> = {}
  for (const { host, id } of rows) if (!aside.has(id)) counts[host] = (counts[host] ?? 0) + 1
  return counts
}
