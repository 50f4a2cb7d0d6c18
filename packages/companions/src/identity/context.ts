/** What every part of the identity service works with, and who calls it. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Database } from '@kilonova/base/database/open.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { unauthorized } from '../openstack/fault.ts'
import type { LoginLimit } from './login-limit.ts'
import { holder, type Holder } from './policy.ts'
import type { Revocations } from './revocations.ts'
import { impliedByCredential } from './store/application-credentials.ts'
import { rolesOn } from './store/assignments.ts'
import type { IdentityTables } from './store/tables.ts'
import { findToken, targetOf, type Token } from './store/tokens.ts'

export interface IdentityContext {
  readonly database: Database<IdentityTables>
  readonly log: Log
  readonly clock: Clock
  readonly tokenLifetimeMs: number
  readonly logins: LoginLimit
  readonly revocations: Revocations
}

/** Undefined for a token that is not good, or whose holder lost every role on what it is for. */
export async function holderOf(ctx: IdentityContext, id: string, since?: number): Promise<Holder | undefined> {
  const token = await findToken(ctx.database.kysely, id, ctx.clock.now(), since)
  return token && withRoles(ctx, token)
}

async function withRoles({ database: { kysely } }: IdentityContext, token: Token): Promise<Holder | undefined> {
  const target = targetOf(token)
  if (!target) return holder(token, [])
  const held = await rolesOn(kysely, token.userId, target)
  const given = token.applicationCredentialId && (await impliedByCredential(kysely, token.applicationCredentialId))
  const roles = given ? held.filter(({ id }) => given.has(id)) : held
  return roles.length === 0 ? undefined : holder(token, roles)
}

export const header = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name]
  return typeof value === 'string' && value !== '' && value.length <= 8_192 ? value : undefined
}

/** A handler for who has a token. Errors: 401. */
export const authenticated =
  (ctx: IdentityContext, handler: (caller: Holder, request: FastifyRequest, reply: FastifyReply) => unknown) =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const id = header(request, 'x-auth-token')
    const caller = id === undefined ? undefined : await holderOf(ctx, id)
    if (!caller) throw unauthorized()
    return handler(caller, request, reply)
  }
