/** One OpenStack service asked as JSON over HTTP: what its statuses mean to us, in one place. */
import { exchange, HttpUnreachableError, type HttpAnswer, type HttpRequest } from '@kilonova/base/http/client.ts'
import { NovaError } from '../domain/errors.ts'

export const TIMEOUT_MS = 30_000

export interface Asked {
  readonly status: number
  readonly headers: HttpAnswer['headers']
  readonly body: unknown
}

/**
 * Any answer below 500; one that refuses is without the secrets that were sent. Errors: NovaError ServiceUnavailable (nobody
 * answered, or a 5xx or a 429: worth another try).
 */
export async function ask(service: string, request: HttpRequest): Promise<Asked> {
  const answer = await exchange({ timeoutMs: TIMEOUT_MS, ...request }).catch((error: unknown) => {
    throw error instanceof HttpUnreachableError ? unavailable(service, error) : error
  })
  if (answer.status < 400) return answer
  const body = withoutSecrets(answer.body, secretsOf(request))
  if (answer.status >= 500 || answer.status === 429)
    throw unavailable(service, `${placeOf(request)}: it answered ${answer.status} ${words(body)}`.trim())
  return { ...answer, body }
}

const placeOf = ({ method, url }: HttpRequest): string => `${method} ${url.split('?')[0]}`

/** What is known of it goes to the log alone. */
export const unavailable = (service: string, why: Error | string): NovaError =>
  new NovaError('ServiceUnavailable', { service }, { cause: typeof why === 'string' ? new Error(why) : why })

const SECRET_HEADERS: readonly string[] = ['x-auth-token', 'x-subject-token', 'x-service-token']
const MIN_SECRET_LENGTH = 4

function secretsOf({ headers = {}, json }: HttpRequest): readonly string[] {
  const found = Object.entries(headers).flatMap(([name, value]) => (SECRET_HEADERS.includes(name) ? [value] : []))
  JSON.stringify(json, (key, value: unknown) => {
    if (/password|secret|^user_?data$|^token$/i.test(key) && typeof value === 'string') found.push(value)
    return value
  })
  return found.filter((secret) => secret.length >= MIN_SECRET_LENGTH)
}

/** A service may repeat what it was sent: that is for no log and for no other user. */
function withoutSecrets(body: unknown, secrets: readonly string[]): unknown {
  if (body === undefined || secrets.length === 0) return body
  const clean = (text: string): string => secrets.reduce((left, secret) => left.replaceAll(secret, '***'), text)
  return JSON.parse(JSON.stringify(body), (_key, value: unknown) => (typeof value === 'string' ? clean(value) : value))
}

/** A refusal in the service's own words. */
export const refused = (service: string, { status, body }: Asked): NovaError =>
  new NovaError('ServiceRefused', { service, reason: words(body) || `it answered ${status}`, type: typeOf(body) })

/** The service's own name for it (`OverQuota`), where it has one. */
function typeOf(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  for (const value of Object.values(body) as unknown[])
    if (typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string')
      return value.type
  return undefined
}

/** The message in an error body, wherever the service puts it. */
export function words(body: unknown): string {
  if (typeof body === 'string') return body.length > 300 || body.includes('<html') ? '' : body.trim()
  if (typeof body !== 'object' || body === null) return ''
  for (const value of [body, ...Object.values(body)] as unknown[])
    if (typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string')
      return value.message
  return Object.values(body).find((value): value is string => typeof value === 'string') ?? ''
}

/** `http://host:9696/v2.0/` and `http://host:9696` name the same service. */
export const withoutVersion = (url: string): string => url.replace(/\/+$/, '').replace(/\/v\d+(\.\d+)?$/, '')
