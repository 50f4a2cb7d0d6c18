/** Quota limits: what operators set for a user, a project or a class, over the configuration. Usage is never kept here: it is counted from rows. */
import { sql } from 'kysely'
import type { Db } from './database.ts'
import { countServerGroups } from './server-groups.ts'
import { usedByProject } from './server-lookups.ts'

export const QUOTA_RESOURCES = [
  'cores',
  'fixed_ips',
  'floating_ips',
  'injected_file_content_bytes',
  'injected_file_path_bytes',
  'injected_files',
  'instances',
  'key_pairs',
  'metadata_items',
  'ram',
  'security_group_rules',
  'security_groups',
  'server_group_members',
  'server_groups',
] as const
export type QuotaResource = (typeof QUOTA_RESOURCES)[number]
/** -1 is unlimited. */
export type QuotaLimits = Readonly<Record<QuotaResource, number>>

/** What the configuration says; what it does not speak of is unlimited. */
export type QuotaDefaults = Readonly<Partial<Record<QuotaResource | 'injected_file_path_length', number>>>

/** The class that holds for all projects. */
const DEFAULT_CLASS = 'default'
export const projectGuard = (projectId: string): string => `project/${projectId}`

type Found = Readonly<Partial<Record<QuotaResource, number>>>
const found = (rows: readonly { readonly resource: string; readonly hard_limit: number }[]): Found =>
  Object.fromEntries(rows.map((row) => [row.resource, Number(row.hard_limit)]))

const over = (nearer: readonly Found[], { injected_file_path_length: path, ...defaults }: QuotaDefaults): QuotaLimits =>
  Object.fromEntries(
    QUOTA_RESOURCES.map((resource) => [
      resource,
      nearer.find((limits) => limits[resource] !== undefined)?.[resource] ??
        defaults[resource] ??
        (resource === 'injected_file_path_bytes' ? path : undefined) ??
        -1,
    ]),
  ) as Record<QuotaResource, number>

const ofClass = async (db: Db, name: string): Promise<Found> =>
  found(await db.selectFrom('quota_classes').select(['resource', 'hard_limit']).where('name', '=', name).execute())

interface WhatIsSet {
  readonly classes: Found
  readonly project: Found
  readonly user: Found
}
/** In one look: every server that is made takes it. */
async function whatIsSet(db: Db, projectId: string, userId = ''): Promise<WhatIsSet> {
  const { rows } = await sql<{ whose: keyof WhatIsSet; resource: string; hard_limit: number }>`
    select 'classes' as whose, resource, hard_limit from quota_classes where name = ${DEFAULT_CLASS}
    union all select 'project', resource, hard_limit from quotas where project_id = ${projectId}
    union all select 'user', resource, hard_limit from user_quotas where project_id = ${projectId} and user_id = ${userId}
  `.execute(db)
  const of = (whose: keyof WhatIsSet): Found => found(rows.filter((row) => row.whose === whose))
  return { classes: of('classes'), project: of('project'), user: of('user') }
}

export const defaultLimits = (db: Db, defaults: QuotaDefaults): Promise<QuotaLimits> =>
  classLimits(db, DEFAULT_CLASS, defaults)

export const classLimits = async (db: Db, name: string, defaults: QuotaDefaults): Promise<QuotaLimits> =>
  over([await ofClass(db, name)], defaults)

export async function quotaLimits(db: Db, projectId: string, defaults: QuotaDefaults): Promise<QuotaLimits> {
  const { project, classes } = await whatIsSet(db, projectId)
  return over([project, classes], defaults)
}

/** As they are shown for a user: what was not set for them is the project's. */
export async function userLimits(
  db: Db,
  projectId: string,
  userId: string,
  defaults: QuotaDefaults,
): Promise<QuotaLimits> {
  const { user, project, classes } = await whatIsSet(db, projectId, userId)
  return over([user, project, classes], defaults)
}

interface Owner {
  readonly projectId: string
  readonly userId?: string | undefined
}

/** The project's, which hold for all that it has, and those that were set for the user, for what is theirs. */
export async function bothLimits(
  db: Db,
  { projectId, userId }: Owner,
  defaults: QuotaDefaults,
): Promise<{ readonly project: QuotaLimits; readonly own: Found }> {
  const { user, project, classes } = await whatIsSet(db, projectId, userId)
  return { project: over([project, classes], defaults), own: user }
}

/** Of what is not summed: the project's limit and the user's both hold. */
export async function nearestLimits(db: Db, owner: Owner, defaults: QuotaDefaults): Promise<QuotaLimits> {
  const { project, own } = await bothLimits(db, owner, defaults)
  const lower = (one: number, other: number) => (one < 0 ? other : other < 0 ? one : Math.min(one, other))
  return Object.fromEntries(
    QUOTA_RESOURCES.map((resource) => [resource, lower(project[resource], own[resource] ?? -1)]),
  ) as Record<QuotaResource, number>
}

/** What the limits of a project's users add up to. */
export async function givenToUsers(db: Db, projectId: string): Promise<Found> {
  const rows = await db
    .selectFrom('user_quotas')
    .select(({ fn }) => ['resource', fn.sum<number>('hard_limit').as('hard_limit')])
    .where('project_id', '=', projectId)
    .groupBy('resource')
    .execute()
  return found(rows)
}

/** Counted from rows, of a project or of one of its users. What belongs to a user or a group alone is not counted here, as upstream has it. */
export async function quotaUsage(db: Db, projectId: string, userId?: string): Promise<QuotaLimits> {
  const used: Found = {
    ...(await usedByProject(db, projectId, userId)),
    server_groups: await countServerGroups(db, projectId, userId),
  }
  return Object.fromEntries(QUOTA_RESOURCES.map((resource) => [resource, used[resource] ?? 0])) as Record<
    QuotaResource,
    number
  >
}

export async function setQuota(db: Db, projectId: string, resource: QuotaResource, limit: number): Promise<void> {
  await db
    .insertInto('quotas')
    .values({ project_id: projectId, resource, hard_limit: limit })
    .onConflict((conflict) => conflict.columns(['project_id', 'resource']).doUpdateSet({ hard_limit: limit }))
    .execute()
}

/** Addresses are a project's, never a user's. */
const OF_PROJECTS_ALONE: readonly QuotaResource[] = ['fixed_ips', 'floating_ips']
export async function setUserQuota(
  db: Db,
  projectId: string,
  userId: string,
  resource: QuotaResource,
  limit: number,
): Promise<void> {
  if (OF_PROJECTS_ALONE.includes(resource)) return setQuota(db, projectId, resource, limit)
  await db
    .insertInto('user_quotas')
    .values({ project_id: projectId, user_id: userId, resource, hard_limit: limit })
    .onConflict((conflict) =>
      conflict.columns(['project_id', 'user_id', 'resource']).doUpdateSet({ hard_limit: limit }),
    )
    .execute()
}

export async function setQuotaClass(db: Db, name: string, resource: QuotaResource, limit: number): Promise<void> {
  await db
    .insertInto('quota_classes')
    .values({ name, resource, hard_limit: limit })
    .onConflict((conflict) => conflict.columns(['name', 'resource']).doUpdateSet({ hard_limit: limit }))
    .execute()
}

/** Back to the defaults: the project and its users, or one user. */
export async function forgetQuotas(db: Db, projectId: string, userId?: string): Promise<void> {
  let users = db.deleteFrom('user_quotas').where('project_id', '=', projectId)
  if (userId !== undefined) users = users.where('user_id', '=', userId)
  await users.execute()
  if (userId === undefined) await db.deleteFrom('quotas').where('project_id', '=', projectId).execute()
}
