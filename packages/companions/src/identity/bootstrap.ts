/** First content, from a plan: run again, it changes what differs from the plan and nothing else. Passwords come from the caller. */
import { randomUUID } from 'node:crypto'
import type { Kysely, Transaction } from 'kysely'
import type { IdentityContext } from './context.ts'
import { hashPassword, passwordMatches } from './password.ts'
import type { IdentityTables } from './store/tables.ts'

export interface BootstrapPlan {
  readonly projects: readonly { readonly name: string; readonly description?: string }[]
  readonly users: readonly { readonly name: string; readonly password: string; readonly defaultProject?: string }[]
  /** The role of a user on a project, all by name. */
  readonly assignments: readonly { readonly user: string; readonly project: string; readonly role: string }[]
  /** `url` is given for the public and the admin interface, and for the internal one unless that is told; `%(project_id)s` in it is filled in. */
  readonly services: readonly {
    readonly type: string
    readonly name: string
    readonly url: string
    readonly internalUrl?: string
    readonly description?: string
  }[]
}

export interface Bootstrapped {
  /** Name -> id. */
  readonly projects: Readonly<Record<string, string>>
  readonly users: Readonly<Record<string, string>>
}

const DOMAIN = 'default'
const ROLES = ['admin', 'manager', 'member', 'reader', 'service']
const IMPLIED = [
  ['admin', 'manager'],
  ['manager', 'member'],
  ['member', 'reader'],
] as const
const INTERFACES = ['public', 'internal', 'admin']

const newId = (): string => randomUUID().replaceAll('-', '')

export async function bootstrap(ctx: IdentityContext, region: string, plan: BootstrapPlan): Promise<Bootstrapped> {
  const { kysely } = ctx.database
  const hashes = await passwordHashes(kysely, plan)
  return kysely.transaction().execute(async (tx) => {
    await tx
      .insertInto('domains')
      .values({ id: DOMAIN, name: 'Default', description: 'The default domain', enabled: 1 })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    const roles = await roleIds(tx)
    const projects: Record<string, string> = {}
    for (const { name, description = '' } of plan.projects) projects[name] = await projectId(tx, name, description)
    const users: Record<string, string> = {}
    for (const { name, defaultProject } of plan.users)
      users[name] = await userId(tx, name, hashes.get(name), idOf(projects, defaultProject), ctx.clock.now())
    for (const { user, project, role } of plan.assignments)
      await tx
        .insertInto('assignments')
        .values({
          user_id: named(users, user),
          target_kind: 'project',
          target_id: named(projects, project),
          role_id: named(roles, role),
        })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    await tx
      .insertInto('regions')
      .values({ id: region, description: '' })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    for (const service of plan.services) await serviceEndpoints(tx, region, service)
    return { projects, users }
  })
}

function named(ids: Readonly<Record<string, string>>, name: string): string {
  const id = ids[name]
  if (id === undefined) throw new Error(`the plan speaks of "${name}" but does not make it`)
  return id
}
const idOf = (ids: Readonly<Record<string, string>>, name: string | undefined): string | null =>
  name === undefined ? null : named(ids, name)

/** New hashes, for users that are new or whose password is another one now. Hashing is slow, so it stays outside the transaction. */
async function passwordHashes(
  kysely: Kysely<IdentityTables>,
  plan: BootstrapPlan,
): Promise<ReadonlyMap<string, string>> {
  const rows = await kysely
    .selectFrom('users')
    .select(['name', 'password_hash'])
    .where('domain_id', '=', DOMAIN)
    .execute()
  const known = new Map(rows.map((row) => [row.name, row.password_hash]))
  const hashes = await Promise.all(
    plan.users.map(async ({ name, password }) => {
      const hash = known.get(name)
      const same = hash !== undefined && (await passwordMatches(password, hash))
      return [name, same ? undefined : await hashPassword(password)] as const
    }),
  )
  return new Map(hashes.flatMap(([name, hash]) => (hash === undefined ? [] : [[name, hash]])))
}

async function roleIds(tx: Transaction<IdentityTables>): Promise<Record<string, string>> {
  for (const name of ROLES)
    await tx
      .insertInto('roles')
      .values({ id: newId(), name, description: '' })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .execute()
  const rows = await tx.selectFrom('roles').select(['id', 'name']).execute()
  const roles = Object.fromEntries(rows.map(({ id, name }) => [name, id]))
  for (const [prior, implied] of IMPLIED)
    await tx
      .insertInto('implied_roles')
      .values({ prior_id: named(roles, prior), implied_id: named(roles, implied) })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  return roles
}

async function projectId(tx: Transaction<IdentityTables>, name: string, description: string): Promise<string> {
  const row = await tx
    .insertInto('projects')
    .values({ id: newId(), name, domain_id: DOMAIN, description, enabled: 1 })
    .onConflict((conflict) => conflict.columns(['domain_id', 'name']).doUpdateSet({ description }))
    .returning('id')
    .executeTakeFirstOrThrow()
  return row.id
}

async function userId(
  tx: Transaction<IdentityTables>,
  name: string,
  passwordHash: string | undefined,
  defaultProjectId: string | null,
  now: number,
): Promise<string> {
  const known = await tx
    .updateTable('users')
    .set({
      default_project_id: defaultProjectId,
      ...(passwordHash ? { password_hash: passwordHash, tokens_from: now } : {}),
    })
    .where('domain_id', '=', DOMAIN)
    .where('name', '=', name)
    .returning('id')
    .executeTakeFirst()
  if (known) return known.id
  if (passwordHash === undefined) throw new Error(`user "${name}" was removed while its password was checked`)
  const id = newId()
  await tx
    .insertInto('users')
    .values({
      id,
      name,
      domain_id: DOMAIN,
      description: '',
      email: null,
      enabled: 1,
      default_project_id: defaultProjectId,
      password_hash: passwordHash,
      tokens_from: 0,
    })
    .execute()
  return id
}

async function serviceEndpoints(
  tx: Transaction<IdentityTables>,
  region: string,
  { type, name, url: outer, internalUrl = outer, description = '' }: BootstrapPlan['services'][number],
): Promise<void> {
  const { id } = await tx
    .insertInto('services')
    .values({ id: newId(), type, name, description, enabled: 1 })
    .onConflict((conflict) => conflict.columns(['type', 'name']).doUpdateSet({ description }))
    .returning('id')
    .executeTakeFirstOrThrow()
  for (const face of INTERFACES) {
    const url = face === 'internal' ? internalUrl : outer
    await tx
      .insertInto('endpoints')
      .values({ id: newId(), service_id: id, region_id: region, interface: face, url, enabled: 1 })
      .onConflict((conflict) => conflict.columns(['service_id', 'region_id', 'interface']).doUpdateSet({ url }))
      .execute()
  }
}
