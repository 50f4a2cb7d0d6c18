/** Who may do what where: roles given to users and groups on projects, domains and the system, those inherited and implied included. */
import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { IdentityTables, TargetKind } from './tables.ts'

export interface Role {
  readonly id: string
  readonly name: string
}

export interface Target {
  readonly kind: TargetKind
  readonly id: string
}

export const SYSTEM: Target = { kind: 'system', id: 'system' }

/** `actors(kind, id)`: a user and the groups they are in. */
const actorsOf = (userId: string): RawBuilder<unknown> =>
  sql`actors (kind, id) as (
    select 'user', cast(${userId} as text) union all select 'group', group_id from memberships where user_id = ${userId})`

/**
 * Roles a user holds on a target now, by name: given to them or to a group of theirs, inherited from above, implied by
 * others. Roles of a domain count only by what they imply. One query.
 */
export async function rolesOn(
  db: Kysely<IdentityTables>,
  userId: string,
  { kind, id }: Target,
): Promise<readonly Role[]> {
  const { rows } = await sql<Role>`
    with recursive ${actorsOf(userId)},
    above (kind, id) as (
      select 'project', parent_id from projects where id = ${id} and parent_id is not null
      union select 'project', projects.parent_id from projects join above on above.kind = 'project' and above.id = projects.id
        where projects.parent_id is not null
    ),
    direct (id) as (
      select role_id from assignments join actors on actors.kind = actor_kind and actors.id = actor_id
      where (target_kind = ${kind} and target_id = ${id} and inherited = 0)
        or (inherited = 1 and ${kind} = 'project' and (
          (target_kind = 'project' and target_id in (select id from above))
          or (target_kind = 'domain' and target_id in (select domain_id from projects where id = ${id}))))
    ),
    held (id) as (
      select id from direct
      union select implied_id from implied_roles join held on held.id = implied_roles.prior_id
    )
    select roles.id, roles.name from roles join held on held.id = roles.id
    where roles.domain_id is null order by roles.name`.execute(db)
  return rows
}

/** Enabled projects, of enabled domains, on which the user holds a role. */
export async function projectsOf(db: Kysely<IdentityTables>, userId: string) {
  const { rows } = await sql<{ id: string }>`
    with recursive ${actorsOf(userId)},
    given (kind, id, inherited) as (
      select target_kind, target_id, inherited from assignments
      join actors on actors.kind = actor_kind and actors.id = actor_id
    ),
    below (id) as (
      select projects.id from projects join given on given.kind = 'project' and given.inherited = 1 and given.id = projects.parent_id
      union select projects.id from projects join below on below.id = projects.parent_id
    )
    select id from projects where id in (select id from given where kind = 'project' and inherited = 0)
      or id in (select id from below) or domain_id in (select id from given where kind = 'domain' and inherited = 1)`.execute(
    db,
  )
  if (rows.length === 0) return []
  const held = new Set(rows.map(({ id }) => id))
  const projects = await db
    .selectFrom('projects')
    .innerJoin('domains', 'domains.id', 'projects.domain_id')
    .selectAll('projects')
    .where('projects.enabled', '=', 1)
    .where('domains.enabled', '=', 1)
    .orderBy('projects.name')
    .execute()
  return projects.filter(({ id }) => held.has(id))
}

/** Enabled domains on which the user holds a role. */
export async function domainsOf(db: Kysely<IdentityTables>, userId: string) {
  const { rows } = await sql<{ target_id: string }>`
    with ${actorsOf(userId)}
    select distinct target_id from assignments join actors on actors.kind = actor_kind and actors.id = actor_id
    where target_kind = 'domain' and inherited = 0`.execute(db)
  if (rows.length === 0) return []
  return db
    .selectFrom('domains')
    .selectAll()
    .where('enabled', '=', 1)
    .where(
      'id',
      'in',
      rows.map(({ target_id: id }) => id),
    )
    .orderBy('name')
    .execute()
}

/** What was given to a user, a group, or on a target goes with it: assignments name things of several tables. */
export async function forgetActor(db: Kysely<IdentityTables>, kind: 'user' | 'group', id: string): Promise<void> {
  await db.deleteFrom('assignments').where('actor_kind', '=', kind).where('actor_id', '=', id).execute()
}
export async function forgetTarget(db: Kysely<IdentityTables>, kind: 'project' | 'domain', id: string): Promise<void> {
  await db.deleteFrom('assignments').where('target_kind', '=', kind).where('target_id', '=', id).execute()
}
