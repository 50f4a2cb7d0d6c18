/**
 * `GET /v3/kilonova/revocations?since=<cursor>&wait=<seconds>`, for admins and services: what ended tokens since then.
 *
 * `{"cursor": "…", "all": false, "audit_ids": [], "user_ids": []}`. Without a cursor, or with one not known here, `all` is
 * true and the answer comes at once; else after something happened, at the latest after `wait` (60 at most).
 */
import type { FastifyInstance } from 'fastify'
import { last, type Query } from '../../openstack/page.ts'
import { authenticated, type IdentityContext } from '../context.ts'
import { notUnderstood } from '../errors.ts'
import { must } from '../policy.ts'

const MAX_WAIT_SECONDS = 60

export function revocationRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  app.get(
    '/v3/kilonova/revocations',
    authenticated(ctx, async (caller, request) => {
      must(caller.admin || caller.service, 'list_revocations')
      const query = request.query as Query
      const wait = last(query, 'wait') ?? '0'
      if (!/^\d{1,3}$/.test(wait)) throw notUnderstood('"wait" is a number of seconds.')
      const seconds = Math.min(MAX_WAIT_SECONDS, Number(wait))
      const page = await ctx.revocations.after(last(query, 'since'), seconds * 1000)
      return { cursor: page.cursor, all: page.all, audit_ids: page.auditIds, user_ids: page.userIds }
    }),
  )
  app.addHook('preClose', async () => ctx.revocations.close())
}
