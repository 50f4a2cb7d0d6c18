/** What servers ran when: the rows that usage reports are made of, deleted servers included. */
import type { Flavor } from '../domain/flavor.ts'
import type { Db } from './database.ts'

export interface UsedServer {
  readonly id: string
  readonly name: string
  readonly projectId: string
  readonly vmState: string
  readonly flavor: Flavor
  readonly launchedAt: number
  readonly terminatedAt: number | null
}
export interface UsageFilter {
  readonly start: number
  readonly end: number
  readonly projectId?: string
  /** The last server of the page before. */
  readonly marker?: string
  readonly limit?: number
}

/** By project, then id. Undefined: there is no such marker. */
export async function usedServers(
  db: Db,
  { start, end, projectId, marker, limit }: UsageFilter,
): Promise<readonly UsedServer[] | undefined> {
  let query = db
    .selectFrom('servers')
    .select(['id', 'name', 'project_id', 'vm_state', 'flavor', 'launched_at', 'terminated_at'])
    .where('launched_at', '<', end)
    .where(({ or, eb }) => or([eb('terminated_at', 'is', null), eb('terminated_at', '>', start)]))
  if (projectId !== undefined) query = query.where('project_id', '=', projectId)
  if (marker !== undefined) {
    const last = await db.selectFrom('servers').select(['project_id', 'id']).where('id', '=', marker).executeTakeFirst()
    if (!last) return undefined
    query = query.where(({ or, and, eb }) =>
      or([
        eb('project_id', '>', last.project_id),
        and([eb('project_id', '=', last.project_id), eb('id', '>', last.id)]),
      ]),
    )
  }
  query = query.orderBy('project_id').orderBy('id')
  if (limit !== undefined) query = query.limit(limit)
  return (await query.execute()).map((row) => ({
    id: row.id,
    name: row.name,
    projectId: row.project_id,
    vmState: row.vm_state,
    flavor: JSON.parse(row.flavor) as Flavor,
    launchedAt: row.launched_at ?? end,
    terminatedAt: row.terminated_at,
  }))
}
