/** One OpenStack service asked as JSON over HTTP: what its statuses mean to us, in one place. */
import { exchange, HttpUnreachableError, type HttpAnswer, type HttpRequest } from '@kilonova/base/http/client.ts'
import { NovaError } from '../domain/errors.ts'

export const TIMEOUT_MS = 30_000

export interface Asked {
  readonly status: number
  readonly headers: HttpAnswer['headers']
  readonly body: unknown
}

/** Any answer below 500. Errors: NovaError ServiceUnavailable (nobody answered, or a 5xx or a 429: worth another try). */
export async function ask(service: string, request: HttpRequest): Promise<Asked> {
  const answer = await exchange({ timeoutMs: TIMEOUT_MS, ...request }).catch((error: unknown) => {
    if (error instanceof HttpUnreachableError)
      throw new NovaError('ServiceUnavailable', { service, reason: error.message }, { cause: error })
    throw error
  })
  if (answer.status >= 500 || answer.status === 429)
    throw new NovaError('ServiceUnavailable', {
      service,
      reason: `it answered ${answer.status} ${words(answer.body)}`.trim(),
    })
  return answer
}

/** A refusal in the service's own words. */
export const refused = (service: string, { status, body }: Asked): NovaError =>
  new NovaError('ServiceRefused', { service, reason: words(body) || `it answered ${status}` })

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
