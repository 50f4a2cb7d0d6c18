/** `/v3/projects`: an admin sees all, anybody their own. */
import type { FastifyInstance } from 'fastify'
import type { Query } from '../../openstack/page.ts'
import { authenticated, mustBeAdmin, type IdentityContext } from '../context.ts'
import { notAllowed, notFound } from '../errors.ts'
import { projectsOf } from '../store/assignments.ts'
import { selectEqual } from '../store/select-equal.ts'
import { collection } from './collection.ts'
import { projectView } from './views.ts'

const filters = { name: 'text', domain_id: 'text', enabled: 'boolean' } as const

export function projectRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  const { kysely } = ctx.database

  app.get(
    '/v3/projects',
    authenticated(ctx, async (holder, request) => {
      mustBeAdmin(holder, 'list_projects')
      const query = request.query as Query
      const rows = await selectEqual(
        kysely.selectFrom('projects').selectAll().orderBy('name'),
        filters,
        query,
      ).execute()
      return collection(
        request,
        'projects',
        rows.map((row) => projectView(request, row)),
      )
    }),
  )

  app.get(
    '/v3/projects/:id',
    authenticated(ctx, async (holder, request) => {
      const { id } = request.params as { id: string }
      const mine =
        holder.token.projectId === id || (await projectsOf(kysely, holder.token.userId)).some((row) => row.id === id)
      if (!holder.admin && !mine) throw notAllowed('get_project')
      const row = await kysely.selectFrom('projects').selectAll().where('id', '=', id).executeTakeFirst()
      if (!row) throw notFound('project', id)
      return { project: projectView(request, row) }
    }),
  )

  app.get(
    '/v3/users/:id/projects',
    authenticated(ctx, async (holder, request) => {
      const { id } = request.params as { id: string }
      if (holder.token.userId !== id) mustBeAdmin(holder, 'list_user_projects')
      return collection(
        request,
        'projects',
        (await projectsOf(kysely, id)).map((row) => projectView(request, row)),
      )
    }),
  )
}
