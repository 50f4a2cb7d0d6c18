/** Who asks, by the token in the request. */
import { isNovaError, NovaError } from '../domain/errors.ts'
import { isAdministrator } from '../policy/policy.ts'
import type { ApiReach, Asker } from './context.ts'

/** Errors: NovaError Unauthorized for a token that is missing, unknown, expired or without a project; ServiceUnavailable. */
export async function authenticate(
  { keystone, policy }: Pick<ApiReach, 'keystone' | 'policy'>,
  token: string | string[] | undefined,
  requestId: string,
): Promise<Asker> {
  if (typeof token !== 'string' || token === '') throw new NovaError('Unauthorized', {})
  const identity = await keystone.validate(token).catch((error: unknown) => {
    // That we are refused there is no caller's fault, and none of their business.
    throw isNovaError(error, 'ServiceRefused')
      ? new NovaError('ServiceUnavailable', { service: 'identity' }, { cause: error })
      : error
  })
  if (!identity) throw new NovaError('Unauthorized', {})
  const { userId, projectId } = identity
  const subject = { userId, projectId, roles: new Set(identity.roles) }
  return { ...subject, isAdmin: isAdministrator(policy, subject), requestId, token }
}
