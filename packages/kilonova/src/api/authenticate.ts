/** Who asks, by the token in the request. */
import type { Keystone } from '../clients/keystone.ts'
import { NovaError } from '../domain/errors.ts'
import type { Asker } from './context.ts'

/** Errors: NovaError Unauthorized for a token that is missing, unknown, expired or without a project; ServiceUnavailable. */
export async function authenticate(
  keystone: Keystone,
  token: string | string[] | undefined,
  requestId: string,
): Promise<Asker> {
  if (typeof token !== 'string' || token === '') throw new NovaError('Unauthorized', {})
  const identity = await keystone.validate(token)
  if (!identity) throw new NovaError('Unauthorized', {})
  const roles = new Set(identity.roles)
  return {
    userId: identity.userId,
    projectId: identity.projectId,
    requestId,
    roles,
    isAdmin: roles.has('admin'),
    token,
  }
}
