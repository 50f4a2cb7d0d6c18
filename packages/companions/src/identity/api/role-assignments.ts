/** `/v3/role_assignments`: who holds which role where. Readers of the system see all, of a domain that domain's, anybody their own. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { publicUrl } from '../../openstack/service.ts'
import { last, type Query } from '../../openstack/page.ts'
import { authenticated, type IdentityContext } from '../context.ts'
import { invalid } from '../errors.ts'
import { maySee, must } from '../policy.ts'
import {
  effectiveAssignments,
  madeAssignments,
  type Assignment,
  type AssignmentFilter,
} from '../store/role-assignments.ts'
import { flag } from '../store/select-equal.ts'
import { collection } from './collection.ts'
import type { Db } from './crud.ts'

export function roleAssignmentRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  const { kysely } = ctx.database
  app.get(
    '/v3/role_assignments',
    authenticated(ctx, async (caller, request) => {
      const query = request.query as Query
      const filter = filterOf(query)
      const effective = flag(query, 'effective')
      if (effective && filter.groupId !== undefined)
        throw invalid('Combining effective and group filter will always result in an empty list')
      const { domainId } = caller.token
      const own = filter.userId === caller.token.userId
      must(own || maySee(caller) || maySee(caller, domainId), 'list_role_assignments')
      const names = await namesOf(kysely)
      const found = await (effective ? effectiveAssignments : madeAssignments)(kysely, filter)
      const seen = found.filter((one) => own || maySee(caller, names.domainOfTarget(one)))
      const named = flag(query, 'include_names')
      return collection(
        request,
        'role_assignments',
        seen.map((one) => view(request, one, named ? names : undefined)),
      )
    }),
  )
}

/** Errors: 400 for two targets at once. */
function filterOf(query: Query): AssignmentFilter {
  const filter = {
    userId: last(query, 'user.id'),
    groupId: last(query, 'group.id'),
    roleId: last(query, 'role.id'),
    projectId: last(query, 'scope.project.id'),
    domainId: last(query, 'scope.domain.id'),
    system: 'scope.system' in query,
    inherited: 'scope.OS-INHERIT:inherited_to' in query,
    subtree: flag(query, 'include_subtree'),
  }
  if ([filter.projectId, filter.domainId, filter.system || undefined].filter((one) => one !== undefined).length > 1)
    throw invalid('Specify a domain, a project or the system, not several')
  if (filter.userId !== undefined && filter.groupId !== undefined) throw invalid('Specify a user or group, not both')
  if (filter.subtree && filter.projectId === undefined) throw invalid('include_subtree needs scope.project.id')
  return filter
}

interface Named {
  readonly id: string
  readonly name: string
  readonly domain?: { readonly id: string; readonly name: string }
}
interface Names {
  of(table: 'user' | 'group' | 'project' | 'domain' | 'role', id: string): Named
  domainOfTarget(one: Assignment): string | null
}

async function namesOf(db: Db): Promise<Names> {
  const domains = new Map((await db.selectFrom('domains').select(['id', 'name']).execute()).map((row) => [row.id, row]))
  const tables = { user: 'users', group: 'groups', project: 'projects', role: 'roles' } as const
  const rows = new Map<string, { readonly id: string; readonly name: string; readonly domain_id: string | null }>()
  for (const [kind, table] of Object.entries(tables))
    for (const row of await db.selectFrom(table).select(['id', 'name', 'domain_id']).execute())
      rows.set(`${kind} ${row.id}`, row)
  return {
    of: (table, id) => {
      if (table === 'domain') return domains.get(id) ?? { id, name: '' }
      const row = rows.get(`${table} ${id}`)
      const domain = row?.domain_id ? domains.get(row.domain_id) : undefined
      return { id, name: row?.name ?? '', ...(domain ? { domain: { id: domain.id, name: domain.name } } : {}) }
    },
    domainOfTarget: ({ targetKind, targetId }) =>
      targetKind === 'domain' ? targetId : (rows.get(`project ${targetId}`)?.domain_id ?? null),
  }
}

function view(request: FastifyRequest, one: Assignment, names: Names | undefined) {
  const thing = (kind: Parameters<Names['of']>[0], id: string) => (names ? names.of(kind, id) : { id })
  const made = one.from ?? one
  const base = `${publicUrl(request)}/v3`
  const below = made.inherited ? { 'OS-INHERIT:inherited_to': 'projects' } : {}
  const scope = one.targetKind === 'system' ? { all: true } : thing(one.targetKind, one.targetId)
  return {
    role: thing('role', one.roleId),
    [one.actorKind]: thing(one.actorKind, one.actorId),
    scope: { [one.targetKind]: scope, ...below },
    links: {
      assignment: `${base}/${pathOf(made)}`,
      ...(made.actorKind === 'group' && one.actorKind === 'user'
        ? { membership: `${base}/groups/${made.actorId}/users/${one.actorId}` }
        : {}),
      ...(made.roleId === one.roleId ? {} : { prior_role: `${base}/roles/${made.roleId}/implies/${one.roleId}` }),
    },
  }
}

function pathOf({ actorKind, actorId, targetKind, targetId, roleId, inherited }: Assignment): string {
  const role = `${actorKind}s/${actorId}/roles/${roleId}`
  if (targetKind === 'system') return `system/${role}`
  const path = `${targetKind}s/${targetId}/${role}`
  return inherited ? `OS-INHERIT/${path}/inherited_to_projects` : path
}
