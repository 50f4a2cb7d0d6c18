/** `/v3/auth/tokens`: tokens are issued, shown to who may see them, and revoked. */
import { isoMicros } from '@kilonova/base/clock.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Fault, unauthorized } from '../../openstack/fault.ts'
import type { Query } from '../../openstack/page.ts'
import { audit } from '../audit.ts'
import { claimedUser, identify, parseAuth, scopeOf, type Scope } from '../authenticate.ts'
import { authenticated, header, holderOf, type IdentityContext } from '../context.ts'
import { notAllowed, notFound } from '../errors.ts'
import { maySee, type Holder } from '../policy.ts'
import { catalogFor, type CatalogService } from '../store/catalog.ts'
import { flag } from '../store/select-equal.ts'
import { deleteExpiredTokens, deleteToken, EXPIRED_WINDOW_MS, insertToken } from '../store/tokens.ts'

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
      ...(token.system ? { system: { all: true } } : {}),
      ...(token.applicationCredential
        ? {
            application_credential: {
              id: token.applicationCredential.id,
              name: token.applicationCredential.name,
              restricted: !token.applicationCredential.unrestricted,
            },
          }
        : {}),
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

  /** A new token's id. Errors: 400, 401, 429. */
  const issue = async (request: FastifyRequest): Promise<{ id: string; userId: string; scope: Scope }> => {
    const auth = parseAuth(request.body)
    const failed = (error: unknown): never => {
      if (error instanceof Fault && error.status !== 400)
        audit(ctx, request, { event: 'authenticate', outcome: 'failure', actor: claimedUser(auth) })
      throw error
    }
    const user = await identify(ctx, auth, request.ip).catch(failed)
    const scope = await scopeOf(ctx, auth, user).catch(failed)
    const now = ctx.clock.now()
    if (now >= sweepAt) {
      sweepAt = now + SWEEP_EVERY_MS
      await deleteExpiredTokens(kysely, now)
    }
    const id = await insertToken(kysely, {
      ...scope,
      userId: user.userId,
      applicationCredentialId: user.applicationCredential?.id ?? null,
      methods: user.methods,
      parentAuditId: user.parentAuditId,
      issuedAt: now,
      expiresAt: Math.min(user.expiresAt ?? Infinity, now + ctx.tokenLifetimeMs),
    })
    return { id, userId: user.userId, scope }
  }

  app.post('/v3/auth/tokens', async (request, reply) => {
    const { id, userId, scope } = await issue(request)
    const holder = await holderOf(ctx, id)
    if (!holder) throw unauthorized()
    audit(ctx, request, {
      event: 'authenticate',
      outcome: 'success',
      actor: userId,
      facts: { methods: holder.token.methods, ...scopeFacts(scope) },
    })
    return reply
      .code(201)
      .headers({ 'x-subject-token': id, vary: 'X-Auth-Token' })
      .send(view(holder, await catalogOf(request, holder)))
  })

  /** The token in X-Subject-Token, for its holder, and for who may ask about anybody's. Errors: 403, 404. */
  const subject = async (
    caller: Holder,
    request: FastifyRequest,
    action: string,
    may: boolean,
  ): Promise<{ id: string; holder: Holder }> => {
    const id = header(request, 'x-subject-token')
    if (id === undefined) throw notFound('token', 'none given')
    const late = may && flag(request.query as Query, 'allow_expired')
    const holder = await holderOf(ctx, id, late ? ctx.clock.now() - EXPIRED_WINDOW_MS : undefined)
    if (!holder) throw notFound('token', 'it is unknown, expired or revoked')
    if (!may && holder.token.userId !== caller.token.userId) throw notAllowed(action)
    return { id, holder }
  }

  app.get(
    '/v3/auth/tokens',
    authenticated(ctx, async (caller, request, reply) => {
      const { id, holder } = await subject(caller, request, 'validate_token', maySee(caller) || caller.service)
      return reply
        .headers({ 'x-subject-token': id, vary: 'X-Auth-Token' })
        .send(view(holder, await catalogOf(request, holder)))
    }),
  )

  app.delete(
    '/v3/auth/tokens',
    authenticated(ctx, async (caller, request, reply) => {
      const { id, holder } = await subject(caller, request, 'revoke_token', caller.admin)
      await deleteToken(kysely, id)
      ctx.revocations.tell({ auditId: holder.token.auditId })
      audit(ctx, request, {
        event: 'revoke token',
        outcome: 'success',
        actor: caller.token.userId,
        target: holder.token.userId,
      })
      return reply.code(204).send()
    }),
  )
}

const scopeFacts = ({ projectId, domainId, system }: Scope) => ({
  ...(projectId === null ? {} : { project: projectId }),
  ...(domainId === null ? {} : { domain: domainId }),
  ...(system ? { system } : {}),
})
