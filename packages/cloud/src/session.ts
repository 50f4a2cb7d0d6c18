/** A session with our own services over HTTP, as any client has one: first content and the demo server are made through it. */
import { exchange, type HttpAnswer } from '@kilonova/base/http/client.ts'

export interface Session {
  call(
    service: 'compute' | 'image' | 'network',
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    json?: unknown,
  ): Promise<HttpAnswer>
  readonly token: string
}

export class SessionError extends Error {
  override readonly name = 'SessionError'
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface Login {
  readonly identityUrl: string
  readonly username: string
  readonly password: string
  readonly project: string
  readonly urls: { readonly compute: string; readonly image: string; readonly network: string }
}

/** Errors: SessionError for any status of 400 and above. */
export async function openSession({ identityUrl, username, password, project, urls }: Login): Promise<Session> {
  const domain = { id: 'default' }
  const auth = {
    identity: { methods: ['password'], password: { user: { name: username, password, domain } } },
    scope: { project: { name: project, domain } },
  }
  const answer = await exchange({ method: 'POST', url: `${identityUrl}/v3/auth/tokens`, json: { auth } })
  const token = answer.headers['x-subject-token']
  if (answer.status !== 201 || typeof token !== 'string')
    throw new SessionError(answer.status, `identity refused ${username}: ${answer.status}`)
  return {
    token,
    call: async (service, method, path, json) => {
      const headers = { 'x-auth-token': token, 'openstack-api-version': 'compute 2.90' }
      const got = await exchange({
        method,
        url: `${urls[service]}${path}`,
        headers,
        ...(json === undefined ? {} : { json }),
      })
      if (got.status >= 400)
        throw new SessionError(got.status, `${method} ${path}: ${got.status} ${JSON.stringify(got.body)}`)
      return got
    },
  }
}
