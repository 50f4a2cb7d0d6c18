/** A service next to us, asked in the user's name for what it keeps: bodies stay as it writes them, refusals keep their status. */
import type { HttpRequest } from '@kilonova/base/http/client.ts'
import { NovaError } from '../domain/errors.ts'
import { serviceOf, type ServiceOptions } from './as-us.ts'
import type { Keystone } from './keystone.ts'
import { words, type Asked } from './service.ts'

/** It said no: 4xx, with the service's own words. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly service: string
  readonly status: number
  /** Its word for the reason, where it has one: `OverQuota`. */
  readonly type: string
  constructor(service: string, { status, body }: Asked) {
    super(words(body) || `it answered ${status}`)
    this.service = service
    this.status = status
    this.type = typeIn(body)
  }
}

export interface Neighbour {
  /** The answer's body. Errors: RefusedError; NovaError ServiceUnavailable. */
  ask(
    method: HttpRequest['method'],
    path: string,
    token: string,
    json?: unknown,
    more?: Pick<HttpRequest, 'headers'>,
  ): Promise<unknown>
  /** `http://host:9292`. */
  url(): Promise<string>
}

export function neighbour(keystone: Keystone, options: ServiceOptions): Neighbour {
  const { request, url } = serviceOf(keystone, options)
  return {
    url,
    ask: async (method, path, token, json, more) => {
      const answer = await request(method, path, token, json, more)
      if (answer.status === 401) throw new NovaError('Unauthorized', {})
      if (answer.status >= 300) throw new RefusedError(options.type, answer)
      return answer.body
    },
  }
}

function typeIn(body: unknown): string {
  if (typeof body !== 'object' || body === null) return ''
  for (const value of Object.values(body) as unknown[])
    if (typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string')
      return value.type
  return ''
}
