/** Who may do what where: a user's roles on a project or a domain, those implied by others included. */
import { sql, type Kysely } from 'kysely'
import type { IdentityTables } from './tables.ts'

export interface Role {
  readonly id: string
  readonly name: string
}

/** Roles held on a target, implied ones included, by name. One query. */
export async function rolesOn(db: Kysely<IdentityTables>, userId: string, targetId: string): Promise<readonly Role[]> {
  const { rows } = await sql<Role>`
    with recursive held (id) as (
      select role_id from assignments where user_id = ${userId} and target_id = ${targetId}
      union
      select implied_id from implied_roles join held on held.id = implied_roles.prior_id
    )
    select roles.id, roles.name from roles join held on held.id = roles.id order by roles.name`.execute(db)
  return rows
}

/** Enabled projects on which the user holds a role. */
export const projectsOf = (db: Kysely<IdentityTables>, userId: string) =>
  db
    .selectFrom('projects')
    .selectAll()
    .where('enabled', '=', 1)
    .where('id', 'in', (held) =>
      held
        .selectFrom('assignments')
        .select('target_id')
        .where('user_id', '=', userId)
        .where('target_kind', '=', 'project'),
    )
    .orderBy('name')
    .execute()

export const domainsOf = (db: Kysely<IdentityTables>, userId: string) =>
  db
    .selectFrom('domains')
    .selectAll()
    .where('enabled', '=', 1)
    .where('id', 'in', (held) =>
      held
        .selectFrom('assignments')
        .select('target_id')
        .where('user_id', '=', userId)
        .where('target_kind', '=', 'domain'),
    )
    .orderBy('name')
    .execute()

export interface AssignmentFilter {
  readonly userId?: string | undefined
  readonly projectId?: string | undefined
  readonly domainId?: string | undefined
  readonly roleId?: string | undefined
}

/** Assignments as made (nothing implied), with the names a client may want to see. */
export async function listAssignments(
  db: Kysely<IdentityTables>,
  { userId, projectId, domainId, roleId }: AssignmentFilter,
) {
  return db
    .selectFrom('assignments')
    .innerJoin('users', 'users.id', 'assignments.user_id')
    .innerJoin('roles', 'roles.id', 'assignments.role_id')
    .leftJoin('projects', 'projects.id', 'assignments.target_id')
    .leftJoin('domains', 'domains.id', 'assignments.target_id')
    .selectAll('assignments')
    .select(['users.name as user_name', 'users.domain_id as user_domain_id', 'roles.name as role_name'])
    .select(['projects.name as project_name', 'projects.domain_id as project_domain_id', 'domains.name as domain_name'])
    .$if(userId !== undefined, (query) => query.where('assignments.user_id', '=', userId ?? ''))
    .$if(roleId !== undefined, (query) => query.where('assignments.role_id', '=', roleId ?? ''))
    .$if(projectId !== undefined, (query) =>
      query.where('target_kind', '=', 'project').where('assignments.target_id', '=', projectId ?? ''),
    )
    .$if(domainId !== undefined, (query) =>
      query.where('target_kind', '=', 'domain').where('assignments.target_id', '=', domainId ?? ''),
    )
    .orderBy('users.name')
    .orderBy('roles.name')
    .execute()
}
