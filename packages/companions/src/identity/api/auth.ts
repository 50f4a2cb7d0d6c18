/** `/v3/auth/…` besides tokens: the catalog of a token, and the scopes its holder may ask for. */
import type { FastifyInstance } from 'fastify'
import { forbidden } from '../../openstack/fault.ts'
import { authenticated, type IdentityContext } from '../context.ts'
import { domainsOf, projectsOf, rolesOn, SYSTEM } from '../store/assignments.ts'
import { catalogFor } from '../store/catalog.ts'
import { collection } from './collection.ts'
import { domainView, projectView } from './views.ts'

export function authRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  const { kysely } = ctx.database
  app.get(
    '/v3/auth/catalog',
    authenticated(ctx, async ({ token }, request) => {
      if (token.projectId === null && token.domainId === null)
        throw forbidden('You are not authorized to perform the requested action.')
      return collection(request, 'catalog', await catalogFor(kysely, token.projectId))
    }),
  )
  app.get(
    '/v3/auth/projects',
    authenticated(ctx, async ({ token }, request) =>
      collection(
        request,
        'projects',
        (await projectsOf(kysely, token.userId)).map((row) => projectView(request, row)),
      ),
    ),
  )
  app.get(
    '/v3/auth/domains',
    authenticated(ctx, async ({ token }, request) =>
      collection(
        request,
        'domains',
        (await domainsOf(kysely, token.userId)).map((row) => domainView(request, row)),
      ),
    ),
  )
  app.get(
    '/v3/auth/system',
    authenticated(ctx, async ({ token }, request) => {
      const roles = await rolesOn(kysely, token.userId, SYSTEM)
      return collection(request, 'system', roles.length > 0 ? [{ all: true }] : [])
    }),
  )
}
