/** How many of each thing a project may have. What is used is counted, never kept; who adds one holds the project's guard until the end. */
import { sql } from 'kysely'
import type { DatabaseKind } from '../../openstack/json-column.ts'
import type { Db } from '../context.ts'
import { overQuota } from '../errors.ts'

/** What counts, its table, and Neutron's default. -1: unlimited. */
const RESOURCES = {
  network: { table: 'networks', limit: 100 },
  subnet: { table: 'subnets', limit: 100 },
  port: { table: 'ports', limit: 500 },
  router: { table: 'routers', limit: 10 },
  floatingip: { table: 'floatingips', limit: 50 },
  security_group: { table: 'security_groups', limit: 10 },
  security_group_rule: { table: 'security_group_rules', limit: 100 },
} as const

export type QuotaResource = keyof typeof RESOURCES
export type Limits = Readonly<Record<QuotaResource, number>>

export const QUOTA_RESOURCES = Object.keys(RESOURCES) as readonly QuotaResource[]
export const UNLIMITED = -1

const each = (value: (resource: QuotaResource) => number): Limits =>
  Object.fromEntries(QUOTA_RESOURCES.map((resource) => [resource, value(resource)])) as Limits

export const unlimited = (): Limits => each(() => UNLIMITED)
export const defaultLimits = (): Limits => each((resource) => RESOURCES[resource].limit)

export async function limitsOf(db: Db, projectId: string): Promise<Limits> {
  const rows = await db
    .selectFrom('quotas')
    .select(['resource', 'amount'])
    .where('project_id', '=', projectId)
    .execute()
  const own = new Map(rows.map(({ resource, amount }) => [resource, amount]))
  return each((resource) => own.get(resource) ?? RESOURCES[resource].limit)
}

/** Projects that have limits of their own. */
export async function projectsWithLimits(db: Db): Promise<readonly string[]> {
  const rows = await db.selectFrom('quotas').select('project_id').distinct().orderBy('project_id').execute()
  return rows.map(({ project_id: id }) => id)
}

const usedOf = async (db: Db, projectId: string, resource: QuotaResource): Promise<number> => {
  const { used } = await db
    .selectFrom(RESOURCES[resource].table)
    .select(sql<number>`count(*)`.as('used'))
    .where('project_id', '=', projectId)
    .executeTakeFirstOrThrow()
  return Number(used)
}

export async function usageOf(db: Db, projectId: string): Promise<Limits> {
  const used = new Map<QuotaResource, number>()
  for (const resource of QUOTA_RESOURCES) used.set(resource, await usedOf(db, projectId, resource))
  return each((resource) => used.get(resource) ?? 0)
}

export async function setLimits(
  db: Db,
  projectId: string,
  limits: { readonly [Name in QuotaResource]?: number | undefined },
): Promise<void> {
  for (const resource of QUOTA_RESOURCES) {
    const amount = limits[resource]
    if (amount === undefined) continue
    await db
      .insertInto('quotas')
      .values({ project_id: projectId, resource, amount })
      .onConflict((there) => there.columns(['project_id', 'resource']).doUpdateSet({ amount }))
      .execute()
  }
}

export const resetLimits = async (db: Db, projectId: string): Promise<void> =>
  void (await db.deleteFrom('quotas').where('project_id', '=', projectId).execute())

/**
 * Inside the transaction that adds one of the resource, before it locks anything of the project's own.
 * Errors: 409 when the project has as many as it may have.
 */
export async function mustFit(tx: Db, kind: DatabaseKind, projectId: string, resource: QuotaResource): Promise<void> {
  const own = await tx
    .selectFrom('quotas')
    .select('amount')
    .where('project_id', '=', projectId)
    .where('resource', '=', resource)
    .executeTakeFirst()
  const limit = own?.amount ?? RESOURCES[resource].limit
  if (limit < 0) return
  // On SQLite this transaction is alone already.
  if (kind === 'postgresql')
    await tx
      .insertInto('quota_guards')
      .values({ project_id: projectId })
      .onConflict((there) => there.column('project_id').doUpdateSet({ project_id: projectId }))
      .execute()
  if ((await usedOf(tx, projectId, resource)) >= limit) throw overQuota(resource)
}
