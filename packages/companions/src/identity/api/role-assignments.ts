/** `/v3/role_assignments`: who holds which role where; an admin sees all, anybody what is theirs. */
import type { FastifyInstance } from 'fastify'
import { last, type Query } from '../../openstack/page.ts'
import { authenticated, mustBeAdmin, type IdentityContext } from '../context.ts'
import { listAssignments } from '../store/assignments.ts'
import { collection, links } from './collection.ts'

export function roleAssignmentRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  app.get(
    '/v3/role_assignments',
    authenticated(ctx, async (holder, request) => {
      const query = request.query as Query
      const userId = last(query, 'user.id')
      if (userId !== holder.token.userId) mustBeAdmin(holder, 'list_role_assignments')
      const rows = await listAssignments(ctx.database.kysely, {
        userId,
        projectId: last(query, 'scope.project.id'),
        domainId: last(query, 'scope.domain.id'),
        roleId: last(query, 'role.id'),
      })
      const named = 'include_names' in query && !/^(false|0)$/i.test(last(query, 'include_names') ?? '')
      const views = rows.map((row) => ({
        role: { id: row.role_id, ...(named ? { name: row.role_name } : {}) },
        user: {
          id: row.user_id,
          ...(named ? { name: row.user_name, domain: { id: row.user_domain_id, name: row.user_domain_id } } : {}),
        },
        scope: {
          [row.target_kind]: {
            id: row.target_id,
            ...(named ? { name: row.project_name ?? row.domain_name } : {}),
            ...(named && row.project_domain_id !== null
              ? { domain: { id: row.project_domain_id, name: row.project_domain_id } }
              : {}),
          },
        },
        ...links(request, `${row.target_kind}s/${row.target_id}/users/${row.user_id}/roles/${row.role_id}`),
      }))
      return collection(request, 'role_assignments', views)
    }),
  )
}
