/** What every part of the identity service works with, and who calls it. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Database } from '@kilonova/base/database/open.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { unauthorized } from '../openstack/fault.ts'
import { notAllowed } from './errors.ts'
import { rolesOn, type Role } from './store/assignments.ts'
import type { IdentityTables } from './store/tables.ts'
import { findToken, type Token } from './store/tokens.ts'

export interface IdentityContext {
  readonly database: Database<IdentityTables>
  readonly log: Log
  readonly clock: Clock
  readonly tokenLifetimeMs: number
}

/** A token, and the roles it carries now. */
export interface Holder {
  readonly token: Token
  readonly roles: readonly Role[]
  readonly admin: boolean
  readonly service: boolean
}

export async function holderOf({ database, clock }: IdentityContext, id: string): Promise<Holder | undefined> {
  const token = await findToken(database.kysely, id, clock.now())
  if (!token) return undefined
  const target = token.projectId ?? token.domainId
  const roles = target === null ? [] : await rolesOn(database.kysely, token.userId, target)
  if (target !== null && roles.length === 0) return undefined
  const has = (name: string) => roles.some((role) => role.name === name)
  return { token, roles, admin: has('admin'), service: has('service') }
}

export const header = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name]
  return typeof value === 'string' && value !== '' && value.length <= 8_192 ? value : undefined
}

/** A handler for who has a token. Errors: 401. */
export const authenticated =
  (ctx: IdentityContext, handler: (holder: Holder, request: FastifyRequest, reply: FastifyReply) => unknown) =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const id = header(request, 'x-auth-token')
    const holder = id === undefined ? undefined : await holderOf(ctx, id)
    if (!holder) throw unauthorized()
    return handler(holder, request, reply)
  }

/** Errors: 403 unless the token carries role `admin`. */
export function mustBeAdmin(holder: Holder, action: string): void {
  if (!holder.admin) throw notAllowed(action)
}
