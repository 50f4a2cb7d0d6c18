/** Assignments as made, and as they work out: members instead of groups, projects instead of inheritance, implied roles too. */
import type { Kysely, Selectable } from 'kysely'
import type { ActorKind, IdentityTables, TargetKind } from './tables.ts'

export interface Assignment {
  readonly actorKind: ActorKind
  readonly actorId: string
  readonly targetKind: TargetKind
  readonly targetId: string
  readonly roleId: string
  /** Holds on the projects below the target. */
  readonly inherited: boolean
  /** Where an effective one comes from. */
  readonly from?: Assignment
}

export interface AssignmentFilter {
  readonly userId?: string | undefined
  readonly groupId?: string | undefined
  readonly roleId?: string | undefined
  readonly projectId?: string | undefined
  readonly domainId?: string | undefined
  readonly system: boolean
  readonly inherited: boolean
  /** With a project: those below it, too. */
  readonly subtree: boolean
}

interface Known {
  readonly assignments: readonly Assignment[]
  readonly projects: readonly Pick<Selectable<IdentityTables['projects']>, 'id' | 'domain_id' | 'parent_id'>[]
}

async function load(db: Kysely<IdentityTables>): Promise<Known> {
  const rows = await db.selectFrom('assignments').selectAll().orderBy('inherited').execute()
  return {
    // What is given directly comes first: of several ways to hold a role that one is shown.
    assignments: rows.map((row) => ({
      actorKind: row.actor_kind,
      actorId: row.actor_id,
      targetKind: row.target_kind,
      targetId: row.target_id,
      roleId: row.role_id,
      inherited: row.inherited === 1,
    })),
    projects: await db.selectFrom('projects').select(['id', 'domain_id', 'parent_id']).execute(),
  }
}

/** Assignments as made. */
export async function madeAssignments(
  db: Kysely<IdentityTables>,
  filter: AssignmentFilter,
): Promise<readonly Assignment[]> {
  const known = await load(db)
  const fits = filterOf(filter, known)
  return known.assignments.filter((one) => fits(one) && (!filter.inherited || one.inherited))
}

/** Which user holds which role where, by all of it. Roles of a domain do not appear: they count by what they imply. */
export async function effectiveAssignments(
  db: Kysely<IdentityTables>,
  filter: AssignmentFilter,
): Promise<readonly Assignment[]> {
  const known = await load(db)
  const memberships = await db.selectFrom('memberships').selectAll().execute()
  const implied = Map.groupBy(await db.selectFrom('implied_roles').selectAll().execute(), (row) => row.prior_id)
  const local = new Set(
    (await db.selectFrom('roles').select('id').where('domain_id', 'is not', null).execute()).map(({ id }) => id),
  )
  const found = new Map<string, Assignment>()
  const members = (one: Assignment): readonly Assignment[] =>
    one.actorKind === 'user'
      ? [one]
      : memberships
          .filter((row) => row.group_id === one.actorId)
          .map((row) => ({ ...one, actorKind: 'user' as const, actorId: row.user_id }))
  const places = (one: Assignment): readonly Assignment[] =>
    one.inherited
      ? below(known, one.targetKind, one.targetId).map((id) => ({
          ...one,
          targetKind: 'project' as const,
          targetId: id,
        }))
      : [one]
  const roles = (id: string, seen = new Set<string>()): ReadonlySet<string> => {
    if (!seen.has(id)) {
      seen.add(id)
      for (const { implied_id: next } of implied.get(id) ?? []) roles(next, seen)
    }
    return seen
  }
  const fits = filterOf({ ...filter, groupId: undefined, inherited: false }, known)
  for (const made of known.assignments) {
    if (filter.inherited && !made.inherited) continue
    for (const one of members(made).flatMap(places))
      for (const roleId of roles(made.roleId)) {
        const effective = { ...one, roleId, inherited: false, from: made }
        const key = [one.actorId, one.targetKind, one.targetId, roleId].join(' ')
        if (!local.has(roleId) && fits(effective) && !found.has(key)) found.set(key, effective)
      }
  }
  return [...found.values()]
}

function below({ projects }: Known, kind: TargetKind, id: string): readonly string[] {
  if (kind === 'domain') return projects.filter((project) => project.domain_id === id).map((project) => project.id)
  const children = projects.filter((project) => project.parent_id === id).map((project) => project.id)
  return children.flatMap((child) => [child, ...below({ projects, assignments: [] }, 'project', child)])
}

function filterOf(filter: AssignmentFilter, known: Known): (one: Assignment) => boolean {
  const { userId, groupId, roleId, projectId, domainId, system, subtree } = filter
  const projects = projectId === undefined ? [] : [projectId, ...(subtree ? below(known, 'project', projectId) : [])]
  return (one) =>
    (userId === undefined || (one.actorKind === 'user' && one.actorId === userId)) &&
    (groupId === undefined || (one.actorKind === 'group' && one.actorId === groupId)) &&
    (roleId === undefined || one.roleId === roleId) &&
    (projectId === undefined || (one.targetKind === 'project' && projects.includes(one.targetId))) &&
    (domainId === undefined || (one.targetKind === 'domain' && one.targetId === domainId)) &&
    (!system || one.targetKind === 'system')
}
