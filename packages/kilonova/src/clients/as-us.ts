/** Requests to a service found in the catalog, with the caller's token or with ours; ours is renewed when the service refuses it. */
import type { HttpRequest } from '@kilonova/base/http/client.ts'
import type { Keystone } from './keystone.ts'
import { ask, withoutVersion, type Asked } from './service.ts'

export interface ServiceOptions {
  /** The catalog's word: `image`, `network`. */
  readonly type: string
  /** Instead of what the catalog says. */
  readonly endpoint: string | undefined
}

export interface Service {
  /** `https://host:9292`, no version. */
  url(): Promise<string>
  /** Any answer below 500; `token` absent: ours. Errors: NovaError ServiceUnavailable. */
  request(
    method: HttpRequest['method'],
    path: string,
    token?: string,
    json?: unknown,
    /** For requests that wait, or whose JSON has a type of its own. */
    more?: Pick<HttpRequest, 'timeoutMs' | 'signal' | 'headers'>,
  ): Promise<Asked>
}

export function serviceOf(keystone: Keystone, { type, endpoint }: ServiceOptions): Service {
  const url = async () => withoutVersion(endpoint ?? (await keystone.endpoint(type)))
  return {
    url,
    request: async (method, path, token, json, { headers, ...limits } = {}) => {
      const send = async (id: string) =>
        ask(type, {
          method,
          url: `${await url()}${path}`,
          headers: { ...headers, 'x-auth-token': id },
          json,
          ...limits,
        })
      if (token !== undefined) return send(token)
      const ours = await keystone.serviceToken()
      const answer = await send(ours)
      if (answer.status !== 401) return answer
      keystone.forgetServiceToken(ours)
      return send(await keystone.serviceToken())
    },
  }
}
