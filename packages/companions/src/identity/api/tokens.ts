/** `/v3/auth`: tokens are issued, shown to who may see them, and revoked; the catalog and the scopes a token may ask for. */
import { isoMicros } from '@kilonova/base/clock.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { unauthorized } from '../../openstack/fault.ts'
import { identify, parseAuth, scopeOf } from '../authenticate.ts'
import { authenticated, header, holderOf, type Holder, type IdentityContext } from '../context.ts'
import { notAllowed, notFound } from '../errors.ts'
import { domainsOf, projectsOf } from '../store/assignments.ts'
import { catalogFor, type CatalogService } from '../store/catalog.ts'
import { deleteExpiredTokens, deleteToken, insertToken } from '../store/tokens.ts'
import { collection } from './collection.ts'
import { domainView, projectView } from './views.ts'

const SWEEP_EVERY_MS = 60_000

const iso = (ms: number): string => `${isoMicros(ms)}Z`

function view({ token, roles }: Holder, catalog: readonly CatalogService[] | undefined) {
  return {
    token: {
      methods: token.methods,
      user: { domain: token.userDomain, id: token.userId, name: token.userName, password_expires_at: null },
      audit_ids: token.parentAuditId === null ? [token.auditId] : [token.auditId, token.parentAuditId],
      expires_at: iso(token.expiresAt),
      issued_at: iso(token.issuedAt),
      ...(token.project
        ? {
            project: { domain: token.project.domain, id: token.project.id, name: token.project.name },
            is_domain: false,
          }
        : {}),
      ...(token.domain ? { domain: token.domain } : {}),
      ...(roles.length > 0 ? { roles } : {}),
      ...(catalog && roles.length > 0 ? { catalog } : {}),
    },
  }
}

export function tokenRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  const { kysely } = ctx.database
  let sweepAt = 0

  const catalogOf = async (request: FastifyRequest, { token }: Holder) =>
    'nocatalog' in (request.query as object) ? undefined : catalogFor(kysely, token.projectId)

  app.post('/v3/auth/tokens', async (request, reply) => {
    const auth = parseAuth(request.body)
    const user = await identify(ctx, auth)
    const scope = await scopeOf(ctx, auth, user)
    const now = ctx.clock.now()
    if (now >= sweepAt) {
      sweepAt = now + SWEEP_EVERY_MS
      await deleteExpiredTokens(kysely, now)
    }
    const id = await insertToken(kysely, {
      ...scope,
      userId: user.userId,
      methods: user.methods,
      parentAuditId: user.parentAuditId,
      issuedAt: now,
      expiresAt: user.expiresAt ?? now + ctx.tokenLifetimeMs,
    })
    const holder = await holderOf(ctx, id)
    if (!holder) throw unauthorized()
    return reply
      .code(201)
      .headers({ 'x-subject-token': id, vary: 'X-Auth-Token' })
      .send(view(holder, await catalogOf(request, holder)))
  })

  /** The token in X-Subject-Token, for its holder, an admin or a service. Errors: 404. */
  const subject = async (caller: Holder, request: FastifyRequest): Promise<{ id: string; holder: Holder }> => {
    const id = header(request, 'x-subject-token')
    if (id === undefined) throw notFound('token', 'none given')
    const holder = await holderOf(ctx, id)
    if (!holder) throw notFound('token', 'it is unknown, expired or revoked')
    if (!caller.admin && !caller.service && holder.token.userId !== caller.token.userId)
      throw notAllowed('validate_token')
    return { id, holder }
  }

  app.get(
    '/v3/auth/tokens',
    authenticated(ctx, async (caller, request, reply) => {
      const { id, holder } = await subject(caller, request)
      return reply
        .headers({ 'x-subject-token': id, vary: 'X-Auth-Token' })
        .send(view(holder, await catalogOf(request, holder)))
    }),
  )

  app.delete(
    '/v3/auth/tokens',
    authenticated(ctx, async (caller, request, reply) => {
      const { id } = await subject(caller, request)
      await deleteToken(kysely, id)
      return reply.code(204).send()
    }),
  )

  app.get(
    '/v3/auth/catalog',
    authenticated(ctx, async ({ token }, request) =>
      collection(request, 'catalog', await catalogFor(kysely, token.projectId)),
    ),
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
}
