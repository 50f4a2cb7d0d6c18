/** First content, from a plan: run again, it changes what differs from the plan and nothing else. Passwords come from the caller. */
import type { Kysely, Transaction } from 'kysely'
import { newId } from './api/crud.ts'
import type { IdentityContext } from './context.ts'
import { hashPassword, passwordMatches } from './password.ts'
import { SYSTEM } from './store/assignments.ts'
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
/** The roles that policies speak of. */
const IMMUTABLE = JSON.stringify({ immutable: true })
/** Nobody locks a service out by guessing its password. */
const SERVICE_OPTIONS = JSON.stringify({ ignore_lockout_failure_attempts: true })
const INTERFACES = ['public', 'internal', 'admin']

export async function bootstrap(ctx: IdentityContext, region: string, plan: BootstrapPlan): Promise<Bootstrapped> {
  const { kysely } = ctx.database
  const hashes = await passwordHashes(kysely, plan)
  return kysely.transaction().execute(async (tx) => {
    await tx
      .insertInto('domains')
      .values({
        id: DOMAIN,
        name: 'Default',
        description: 'The default domain',
        enabled: 1,
        tags: '[]',
        options: '{}',
        extra: '{}',
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    const roles = await roleIds(tx)
    const projects: Record<string, string> = {}
    for (const { name, description = '' } of plan.projects) projects[name] = await projectId(tx, name, description)
    const users: Record<string, string> = {}
    for (const { name, defaultProject } of plan.users) {
      const isService = plan.assignments.some(({ user, role }) => user === name && role === 'service')
      const project = idOf(projects, defaultProject)
      users[name] = await userId(tx, name, hashes.get(name), project, isService, ctx.clock.now())
    }
    for (const { user, project, role } of plan.assignments) {
      const given = {
        actor_kind: 'user',
        actor_id: named(users, user),
        role_id: named(roles, role),
        inherited: 0,
      } as const
      const targets = [
        { target_kind: 'project', target_id: named(projects, project) },
        // The first administrator may ask for a token for the system, too.
        ...(role === 'admin' ? [{ target_kind: SYSTEM.kind, target_id: SYSTEM.id }] : []),
      ] as const
      await tx
        .insertInto('assignments')
        .values(targets.map((target) => ({ ...given, ...target })))
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    }
    await tx
      .insertInto('regions')
      .values({ id: region, description: '', parent_region_id: null, extra: '{}' })
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

/** New hashes, for users that are new or for whom the plan has another password than the last time. Hashing is slow, so it stays outside the transaction. */
async function passwordHashes(
  kysely: Kysely<IdentityTables>,
  plan: BootstrapPlan,
): Promise<ReadonlyMap<string, string>> {
  const rows = await kysely
    .selectFrom('users')
    .select(['name', 'planned_hash', 'password_hash'])
    .where('domain_id', '=', DOMAIN)
    .execute()
  const known = new Map(rows.map((row) => [row.name, row.planned_hash ?? row.password_hash]))
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
      .values({ id: newId(), name, domain_id: null, description: null, options: IMMUTABLE, extra: '{}' })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  const rows = await tx.selectFrom('roles').select(['id', 'name']).where('domain_id', 'is', null).execute()
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
    .values({
      id: newId(),
      name,
      domain_id: DOMAIN,
      parent_id: null,
      description,
      enabled: 1,
      tags: '[]',
      options: '{}',
      extra: '{}',
    })
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
  isService: boolean,
  now: number,
): Promise<string> {
  const known = await tx
    .updateTable('users')
    .set({
      default_project_id: defaultProjectId,
      ...(passwordHash ? { password_hash: passwordHash, planned_hash: passwordHash, tokens_from: now } : {}),
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
      planned_hash: passwordHash,
      tokens_from: 0,
      options: isService ? SERVICE_OPTIONS : '{}',
      extra: '{}',
    })
    .execute()
  return id
}

async function serviceEndpoints(
  tx: Transaction<IdentityTables>,
  region: string,
  { type, name, url: outer, internalUrl = outer, description = '' }: BootstrapPlan['services'][number],
): Promise<void> {
  const found = await tx
    .selectFrom('services')
    .select('id')
    .where('type', '=', type)
    .where('name', '=', name)
    .orderBy('id')
    .executeTakeFirst()
  const id = found?.id ?? newId()
  if (!found) await tx.insertInto('services').values({ id, type, name, description, enabled: 1, extra: '{}' }).execute()
  for (const face of INTERFACES) {
    const url = face === 'internal' ? internalUrl : outer
    const changed = await tx
      .updateTable('endpoints')
      .set({ url })
      .where('service_id', '=', id)
      .where('region_id', '=', region)
      .where('interface', '=', face)
      .returning('id')
      .execute()
    if (changed.length === 0)
      await tx
        .insertInto('endpoints')
        .values({ id: newId(), service_id: id, region_id: region, interface: face, url, enabled: 1, extra: '{}' })
        .execute()
  }
}
