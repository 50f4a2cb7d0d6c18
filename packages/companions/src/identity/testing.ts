/** For tests: things of the identity service made in one line each, and people who log in as they like. */
import { exchange, type HttpAnswer, type HttpRequest } from '@kilonova/base/http/client.ts'
import { testIdentity, type Person, type TestIdentity } from '../test-cloud.ts'

export interface Registry extends TestIdentity {
  readonly admin: Person
  /** The id of what was made. */
  make(path: string, one: string, fields: object, by?: Person): Promise<string>
  role(name: string): Promise<string>
  /** A user with password `secret`, who has a role on a target (`projects/<id>`) if one is given. */
  user(name: string, on?: string, role?: string): Promise<string>
  give(user: string, on: string, role: string): Promise<void>
  /** The answer to a request for a token. */
  auth(identity: object, scope?: unknown): Promise<HttpAnswer>
  byPassword(name: string, scope?: unknown, password?: string): Promise<HttpAnswer>
  /** Somebody who logged in. Errors: Error. */
  as(name: string, scope?: unknown): Promise<Caller>
}

export type Caller = (method: HttpRequest['method'], path: string, json?: unknown) => Promise<HttpAnswer>

export async function testRegistry(): Promise<Registry> {
  const cloud = await testIdentity()
  const admin = await cloud.person('admin')
  const url = `${cloud.identity.url}/v3`
  const make: Registry['make'] = async (path, one, fields, by = admin) => {
    const { status, body } = await by.call('POST', `/v3/${path}`, { [one]: fields })
    if (status !== 201) throw new Error(`POST ${path}: ${status} ${JSON.stringify(body)}`)
    return (body as Readonly<Record<string, { id: string }>>)[one]?.id ?? ''
  }
  const role = async (name: string): Promise<string> => {
    const { body } = await admin.call('GET', `/v3/roles?name=${name}`)
    return (body as { roles: { id: string }[] }).roles[0]?.id ?? ''
  }
  const give: Registry['give'] = async (user, on, name) => {
    const { status } = await admin.call('PUT', `/v3/${on}/users/${user}/roles/${await role(name)}`)
    if (status !== 204) throw new Error(`${name} on ${on}: ${status}`)
  }
  const auth: Registry['auth'] = (identity, scope) =>
    exchange({
      method: 'POST',
      url: `${url}/auth/tokens`,
      json: { auth: { identity, ...(scope === undefined ? {} : { scope }) } },
    })
  const byPassword: Registry['byPassword'] = (name, scope, password = 'secret') =>
    auth({ methods: ['password'], password: { user: { name, domain: { id: 'default' }, password } } }, scope)
  return {
    ...cloud,
    admin,
    make,
    role,
    give,
    auth,
    byPassword,
    user: async (name, on, roleName) => {
      const id = await make('users', 'user', { name, password: 'secret' })
      if (on !== undefined && roleName !== undefined) await give(id, on, roleName)
      return id
    },
    as: async (name, scope) => {
      const answer = await byPassword(name, scope)
      if (answer.status !== 201) throw new Error(`${name} is not let in: ${answer.status}`)
      return callWith(cloud, tokenIn(answer))
    },
  }
}

export const tokenIn = (answer: HttpAnswer): string => String(answer.headers['x-subject-token'])
export const callWith =
  ({ identity }: TestIdentity, token: string): Caller =>
  (method, path, json) =>
    exchange({
      method,
      url: `${identity.url}${path}`,
      headers: { 'x-auth-token': token },
      ...(json === undefined ? {} : { json }),
    })

/** The text of an error. */
export const words = ({ body }: HttpAnswer): string => (body as { error: { message: string } }).error.message
/** The names in a list. */
export const namesIn = ({ body }: HttpAnswer, list: string): readonly string[] =>
  (body as Readonly<Record<string, readonly { name: string }[]>>)[list]?.map(({ name }) => name) ?? []
