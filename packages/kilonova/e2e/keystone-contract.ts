/** What our identity client relies on, whichever identity service it talks to: the same tests for the companion and for Keystone. */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '@kilonova/base/clock.ts'
import { exchange, type HttpRequest } from '@kilonova/base/http/client.ts'
import { keystone, type KeystoneClient } from '../src/clients/keystone.ts'

export interface Service {
  /** Without a version. */
  readonly url: string
  readonly adminPassword: string
  /** Within this a token that ended before its time is refused. */
  readonly noticedMs: number
}

interface Named {
  readonly id: string
}
type Frame = Readonly<Record<string, Named>>

const PASSWORD = 'the-first-password'
const REGIONS = ['RegionOne', 'RegionTwo'] as const

/** What an administrator makes for the tests, and the client under test. */
export async function contractBed({ url, adminPassword, noticedMs }: Service) {
  const token = await logIn(url, 'admin', adminPassword, { project: { name: 'admin', domain: { id: 'default' } } })
  const call = async (method: HttpRequest['method'], path: string, json?: unknown, as = token) => {
    const answer = await exchange({
      method,
      url: `${url}/v3${path}`,
      headers: { 'x-auth-token': as },
      ...(json === undefined ? {} : { json }),
    })
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const make = async (path: string, one: string, fields: object, as = token): Promise<string> =>
    ((await call('POST', path, { [one]: fields }, as)) as Frame)[one]?.id ?? ''
  const role = async (name: string): Promise<string> => {
    const { roles } = (await call('GET', `/roles?name=${name}`)) as { roles: readonly Named[] }
    return roles[0]?.id ?? make('/roles', 'role', { name })
  }
  const project = (name: string) => make('/projects', 'project', { name })
  const user = async (name: string, on: string, roleName: string): Promise<string> => {
    const id = await make('/users', 'user', { name, password: PASSWORD })
    await call('PUT', `/projects/${on}/users/${id}/roles/${await role(roleName)}`)
    return id
  }
  const service = await project('contract-service')
  await user('contract-nova', service, 'service')
  const demo = await project('contract-demo')
  const image = await make('/services', 'service', { type: 'image', name: 'glance' })
  for (const region of REGIONS)
    for (const face of ['public', 'internal'] as const)
      await make('/endpoints', 'endpoint', {
        service_id: image,
        interface: face,
        region,
        url: `http://${face}.${region}:9292`,
      })
  const clients: KeystoneClient[] = []
  const client = (choice: { readonly regionName?: string; readonly password?: string } = {}): KeystoneClient => {
    const made = keystone({
      authUrl: `${url}/v3`,
      username: 'contract-nova',
      password: choice.password ?? PASSWORD,
      projectName: 'contract-service',
      userDomainName: 'Default',
      projectDomainName: 'default',
      regionName: choice.regionName,
      interface: 'public',
      clock: systemClock(),
    })
    clients.push(made)
    return made
  }
  const shared = client()
  return {
    url,
    call,
    make,
    role,
    project,
    user,
    demo,
    client,
    validate: shared.validate,
    logIn: (name: string, scope?: unknown) => logIn(url, name, PASSWORD, scope),
    scoped: (name: string, id = demo) => logIn(url, name, PASSWORD, { project: { id } }),
    /** It was good, what is done ends it, and that is noticed in time, by a client that kept the answer. */
    endsWith: async (id: string, end: () => Promise<unknown>) => {
      assert.ok(await shared.validate(id), 'the token is good to begin with')
      await end()
      const ended = performance.now()
      // A question that is asked in time may be answered late, by a busy machine.
      for (let asked = ended; await shared.validate(id); asked = performance.now()) {
        assert.ok(asked - ended < noticedMs, `still good after ${noticedMs} ms`)
        await pause(20)
      }
    },
    close: async () => {
      for (const each of clients) await each.close()
    },
  }
}
export type ContractBed = Awaited<ReturnType<typeof contractBed>>

async function logIn(url: string, name: string, password: string, scope?: unknown): Promise<string> {
  const identity = { methods: ['password'], password: { user: { name, domain: { id: 'default' }, password } } }
  return authenticate(url, { identity, ...(scope === undefined ? {} : { scope }) })
}

async function authenticate(url: string, auth: unknown): Promise<string> {
  const { status, headers, body } = await exchange({ method: 'POST', url: `${url}/v3/auth/tokens`, json: { auth } })
  const id = headers['x-subject-token']
  if (status !== 201 || typeof id !== 'string') throw new Error(`no token: ${status} ${JSON.stringify(body)}`)
  return id
}

/** Sentence -> what is shown. Each makes its own users: they may run in any order. */
export const CONTRACT: Readonly<Record<string, (bed: ContractBed) => Promise<void>>> = {
  'it logs in, and finds endpoints by interface and region': async ({ client }) => {
    assert.match(await client().serviceToken(), /^[\w-]{40,}/)
    assert.match(await client().endpoint('image'), /^http:\/\/public\./)
    assert.equal(await client({ regionName: 'RegionTwo' }).endpoint('image'), 'http://public.RegionTwo:9292')
    await assert.rejects(client().endpoint('volumev3'), { name: 'ServiceUnavailable' })
    await assert.rejects(client({ password: 'wrong' }).serviceToken(), { name: 'ServiceRefused' })
  },

  'a token for a project tells user, project and roles, those implied and those of groups and domains too': async (
    bed,
  ) => {
    const id = await bed.user('contract-alice', bed.demo, 'member')
    const alice = await bed.validate(await bed.scoped('contract-alice'))
    assert.deepEqual(
      [alice?.userId, alice?.userName, alice?.projectId, alice?.projectName, alice?.domainId],
      [id, 'contract-alice', bed.demo, 'contract-demo', 'default'],
    )
    assert.deepEqual(alice?.roles.toSorted(), ['member', 'reader'])
    assert.ok(alice.expiresAt > Date.now() + 60_000)

    const bob = await bed.make('/users', 'user', { name: 'contract-bob', password: PASSWORD })
    const group = await bed.make('/groups', 'group', { name: 'contract-group' })
    await bed.call('PUT', `/groups/${group}/users/${bob}`)
    const inherited = `roles/${await bed.role('reader')}/inherited_to_projects`
    await bed.call('PUT', `/OS-INHERIT/domains/default/groups/${group}/${inherited}`)
    assert.deepEqual((await bed.validate(await bed.scoped('contract-bob')))?.roles, ['reader'])
  },

  'a token for a domain, for the system or for nothing is nobody to a compute service': async (bed) => {
    const id = await bed.user('contract-scopes', bed.demo, 'member')
    const reader = await bed.role('reader')
    await bed.call('PUT', `/domains/default/users/${id}/roles/${reader}`)
    await bed.call('PUT', `/system/users/${id}/roles/${reader}`)
    for (const scope of [{ domain: { id: 'default' } }, { system: { all: true } }, undefined])
      assert.equal(await bed.validate(await bed.logIn('contract-scopes', scope)), undefined)
    assert.equal(await bed.validate('no-token-at-all'), undefined)
  },

  'a revoked token is refused': async (bed) => {
    await bed.user('contract-revoked', bed.demo, 'member')
    const token = await bed.scoped('contract-revoked')
    const other = await bed.scoped('contract-revoked')
    await bed.endsWith(token, () =>
      exchange({
        method: 'DELETE',
        url: `${bed.url}/v3/auth/tokens`,
        headers: { 'x-auth-token': token, 'x-subject-token': token },
      }),
    )
    assert.ok(await bed.validate(other), 'another token of the same user lives on')
  },

  'so is one of a user who was disabled, got another password, lost the role or is gone': async (bed) => {
    const member = await bed.role('member')
    const ends: readonly ((id: string) => Promise<unknown>)[] = [
      (id) => bed.call('PATCH', `/users/${id}`, { user: { enabled: false } }),
      (id) => bed.call('PATCH', `/users/${id}`, { user: { password: 'the-second-password' } }),
      (id) => bed.call('DELETE', `/projects/${bed.demo}/users/${id}/roles/${member}`),
      (id) => bed.call('DELETE', `/users/${id}`),
    ]
    for (const [index, end] of ends.entries()) {
      const name = `contract-ended-${index}`
      const id = await bed.user(name, bed.demo, 'member')
      await pause(1000) // Keystone compares whole seconds: what was issued in the second of the change ends, too.
      await bed.endsWith(await bed.scoped(name), () => end(id))
    }
  },

  'so is one for a project that was disabled': async (bed) => {
    const project = await bed.project('contract-disabled')
    await bed.user('contract-homeless', project, 'member')
    await bed.endsWith(await bed.scoped('contract-homeless', project), () =>
      bed.call('PATCH', `/projects/${project}`, { project: { enabled: false } }),
    )
  },

  'an application credential has the roles it was given, until it is deleted': async (bed) => {
    const id = await bed.user('contract-robot', bed.demo, 'member')
    const path = `/users/${id}/application_credentials`
    const secret = 'the-secret-of-the-robot'
    const fields = { name: 'robot', secret, roles: [{ name: 'reader' }] }
    const credential = await bed.make(path, 'application_credential', fields, await bed.scoped('contract-robot'))
    const token = await authenticate(bed.url, {
      identity: { methods: ['application_credential'], application_credential: { id: credential, secret } },
    })
    const robot = await bed.validate(token)
    assert.deepEqual([robot?.userId, robot?.projectId, robot?.roles], [id, bed.demo, ['reader']])
    const own = await bed.scoped('contract-robot')
    await bed.endsWith(token, () => bed.call('DELETE', `${path}/${credential}`, undefined, own))
  },

  'an expired token is refused, also by a client that kept the answer': async (bed) => {
    const id = await bed.user('contract-late', bed.demo, 'member')
    const path = `/users/${id}/application_credentials`
    const secret = 'the-secret-of-the-late-one'
    const own = await bed.scoped('contract-late')
    const expiresAt = Date.now() + 8_000
    const credential = await bed.make(
      path,
      'application_credential',
      { name: 'late', secret, expires_at: new Date(expiresAt).toISOString().replace('Z', '') },
      own,
    )
    const token = await authenticate(bed.url, {
      identity: { methods: ['application_credential'], application_credential: { id: credential, secret } },
    })
    assert.ok(await bed.validate(token))
    const identity = await bed.validate(token)
    assert.ok(identity !== undefined && identity.expiresAt <= expiresAt + 1_000)
    while (Date.now() <= identity.expiresAt) await pause(50)
    assert.equal(await bed.validate(token), undefined)
  },
}
