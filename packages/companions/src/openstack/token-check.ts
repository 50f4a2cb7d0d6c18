/** Asks the identity service who holds a token. Answers are kept 5 s by the token's hash; an unreachable identity service is a 503. */
import { hash } from 'node:crypto'
import type { Clock } from '@kilonova/base/clock.ts'
import { exchange, HttpUnreachableError } from '@kilonova/base/http/client.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { callerOf, type Caller } from './caller.ts'
import { Fault, forbidden, unauthorized } from './fault.ts'
import { identityRoot, serviceToken, type ServiceCredentials } from './service-token.ts'

export interface TokenCheckOptions {
  readonly identityUrl: string
  readonly serviceCredentials: ServiceCredentials
  readonly clock: Clock
  readonly log: Log
}

export interface TokenCheck {
  /** Errors: 401 for a token that is missing, expired or unknown; 403 for one without a project; 503. */
  caller(token: string | undefined): Promise<Caller>
}

interface Holder {
  readonly caller: Caller
  readonly expiresAt: number
}

interface Known {
  readonly until: number
  readonly holder: Promise<Holder | undefined>
}

const KEPT_MS = 5_000
const MAX_KEPT = 5_000
const MAX_TOKEN_LENGTH = 8_192
const PRINTABLE = /^[\x21-\x7e]+$/
const TIMEOUT_MS = 10_000

export function tokenCheck({ identityUrl, serviceCredentials, clock, log }: TokenCheckOptions): TokenCheck {
  const own = serviceToken(identityUrl, serviceCredentials, clock)
  const kept = new Map<string, Known>()

  const validate = async (token: string, again = true): Promise<Holder | undefined> => {
    const ownToken = await own.get()
    const { status, body } = await exchange({
      method: 'GET',
      url: `${identityRoot(identityUrl)}/v3/auth/tokens?nocatalog`,
      headers: { 'x-auth-token': ownToken, 'x-subject-token': token },
      timeoutMs: TIMEOUT_MS,
    })
    if ((status === 401 || status === 403) && again) {
      own.forget(ownToken)
      return validate(token, false)
    }
    if (status === 404) return undefined
    if (status !== 200) throw new Fault(503, `The identity service answered ${status} to a token check.`)
    return asHolder(body)
  }

  const ask = (key: string, token: string): Promise<Holder | undefined> => {
    if (kept.size >= MAX_KEPT) for (const oldest of kept.keys()) if (kept.size >= MAX_KEPT * 0.9) kept.delete(oldest)
    const holder = validate(token).catch((error: Error) => {
      kept.delete(key)
      if (!(error instanceof HttpUnreachableError)) throw error
      log.warn('identity service unreachable', { error })
      throw new Fault(503, 'The identity service cannot be reached.', { cause: error })
    })
    kept.delete(key)
    kept.set(key, { until: clock.now() + KEPT_MS, holder })
    return holder
  }

  return {
    caller: async (token) => {
      if (!token || token.length > MAX_TOKEN_LENGTH || !PRINTABLE.test(token)) throw unauthorized(identityUrl)
      const key = hash('sha256', token, 'base64')
      const known = kept.get(key)
      const holder = await (known && clock.now() < known.until ? known.holder : ask(key, token))
      if (!holder || holder.expiresAt <= clock.now()) throw unauthorized(identityUrl)
      if (holder.caller.projectId === '') throw forbidden('A token scoped to a project is needed.')
      return holder.caller
    },
  }
}

function asHolder(body: unknown): Holder {
  const { token } = body as {
    token: { user: { id: string }; project?: { id: string }; roles?: { name: string }[]; expires_at: string }
  }
  const roles = token.roles?.map(({ name }) => name) ?? []
  return { caller: callerOf(token.user.id, token.project?.id ?? '', roles), expiresAt: Date.parse(token.expires_at) }
}

/** A handler that is given who calls. */
export type CallerHandler = (caller: Caller, request: FastifyRequest, reply: FastifyReply) => unknown

/** `app.get('/v2/images', withCaller(check, list))`. */
export const withCaller =
  (check: TokenCheck, handler: CallerHandler) =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const token = request.headers['x-auth-token']
    return handler(await check.caller(typeof token === 'string' ? token : undefined), request, reply)
  }
