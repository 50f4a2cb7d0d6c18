/** `/v3/users`: an admin sees all, anybody themselves. Nothing of a password is ever shown. */
import type { FastifyInstance } from 'fastify'
import type { Query } from '../../openstack/page.ts'
import { authenticated, mustBeAdmin, type IdentityContext } from '../context.ts'
import { notFound } from '../errors.ts'
import { selectEqual } from '../store/select-equal.ts'
import { collection } from './collection.ts'
import { userView } from './views.ts'

const filters = { name: 'text', domain_id: 'text', enabled: 'boolean' } as const
const shown = ['id', 'name', 'domain_id', 'description', 'email', 'enabled', 'default_project_id'] as const

export function userRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  const { kysely } = ctx.database

  app.get(
    '/v3/users',
    authenticated(ctx, async (holder, request) => {
      mustBeAdmin(holder, 'list_users')
      const query = kysely.selectFrom('users').select(shown).orderBy('name')
      const rows = await selectEqual(query, filters, request.query as Query).execute()
      return collection(
        request,
        'users',
        rows.map((row) => userView(request, row)),
      )
    }),
  )

  app.get(
    '/v3/users/:id',
    authenticated(ctx, async (holder, request) => {
      const { id } = request.params as { id: string }
      if (holder.token.userId !== id) mustBeAdmin(holder, 'get_user')
      const row = await kysely.selectFrom('users').select(shown).where('id', '=', id).executeTakeFirst()
      if (!row) throw notFound('user', id)
      return { user: userView(request, row) }
    }),
  )
}
