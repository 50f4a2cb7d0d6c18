/** Quota limits: what an operator set for a project, over the defaults. Usage is never kept here: it is counted from rows. */
import type { Db } from './database.ts'

export const QUOTA_RESOURCES = [
  'instances',
  'cores',
  'ram',
  'metadata_items',
  'key_pairs',
  'server_groups',
  'server_group_members',
] as const
export type QuotaResource = (typeof QUOTA_RESOURCES)[number]
/** -1 is unlimited. */
export type QuotaLimits = Readonly<Record<QuotaResource, number>>

export async function quotaLimits(db: Db, projectId: string, defaults: QuotaLimits): Promise<QuotaLimits> {
  const rows = await db
    .selectFrom('quotas')
    .select(['resource', 'hard_limit'])
    .where('project_id', '=', projectId)
    .execute()
  const own = Object.fromEntries(rows.map((row) => [row.resource, Number(row.hard_limit)]))
  return Object.fromEntries(
    QUOTA_RESOURCES.map((resource) => [resource, own[resource] ?? defaults[resource]]),
  ) as Record<QuotaResource, number>
}

export async function setQuota(db: Db, projectId: string, resource: QuotaResource, limit: number): Promise<void> {
  await db
    .insertInto('quotas')
    .values({ project_id: projectId, resource, hard_limit: limit })
    .onConflict((conflict) => conflict.columns(['project_id', 'resource']).doUpdateSet({ hard_limit: limit }))
    .execute()
}
