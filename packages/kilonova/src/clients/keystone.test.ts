/** The identity client: one look per token and four seconds, what was revoked dropped at once, our own token renewed, an endpoint from the catalog. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { keystone } from './keystone.ts'
import { handClock, httpService, type Request } from './testing.ts'

const HOUR_MS = 3600_000

async function service(t: TestContext) {
  const clock = handClock(Date.parse('2026-01-01T00:00:00Z'))
  const state = { logins: 0, valid: new Set(['alice-token', 'scopeless']), refuseOurs: '' }
  const expires = () => new Date(clock.now() + HOUR_MS).toISOString()
  const http = await httpService(t, ({ method, path, headers, json }: Request) => {
    if (path === '/v3/projects/p') return { json: { project: { id: 'p' } } }
    if (path === '/v3/projects/secret') return { status: 403, json: {} }
    if (path === '/v3/projects/broken') return { status: 503, json: {} }
    if (path !== '/v3/auth/tokens') return undefined
    if (method === 'POST') {
      const { password } = (json as { auth: { identity: { password: { user: { password: string } } } } }).auth.identity
        .password.user
      if (password !== 'secret') return { status: 401, json: { error: { message: 'wrong password' } } }
      const endpoints = [
        { interface: 'internal', url: 'http://in', region_id: 'one' },
        { interface: 'public', url: 'http://out', region_id: 'two' },
      ]
      return {
        status: 201,
        headers: { 'x-subject-token': `ours-${++state.logins}` },
        json: {
          token: { expires_at: expires(), user: { id: 'u', name: 'nova' }, catalog: [{ type: 'image', endpoints }] },
        },
      }
    }
    if (headers['x-auth-token'] === state.refuseOurs) return { status: 401, json: {} }
    const token = String(headers['x-subject-token'])
    if (!state.valid.has(token)) return { status: 404, json: {} }
    const project = token === 'scopeless' ? {} : { project: { id: 'p', name: 'demo' } }
    return {
      json: {
        token: {
          expires_at: expires(),
          audit_ids: ['audit-of-alice'],
          user: { id: 'alice', name: 'Alice', domain: { id: 'd' } },
          ...project,
          roles: [{ name: 'Member' }],
        },
      },
    }
  })
  const client = (password = 'secret', regionName?: string) => {
    const made = keystone({
      authUrl: `${http.url}/v3/`,
      username: 'nova',
      password,
      projectName: 'service',
      userDomainName: 'Default',
      projectDomainName: 'default',
      regionName,
      interface: 'public',
      clock,
    })
    t.after(() => made.close())
    return made
  }
  return {
    clock,
    state,
    client,
    looks: () => http.asked.filter(({ method, path }) => method === 'GET' && path === '/v3/auth/tokens').length,
    asked: http.asked,
    close: http.close,
  }
}

test('a token is looked up once for all who ask, and again after four seconds', async (t) => {
  const it = await service(t)
  const identity = it.client()
  const [first] = await Promise.all([identity.validate('alice-token'), identity.validate('alice-token')])
  assert.deepEqual([first?.userId, first?.projectId, first?.roles], ['alice', 'p', ['member']])
  assert.equal(it.looks(), 1)
  it.clock.pass(3_000)
  it.state.valid.delete('alice-token')
  assert.equal((await identity.validate('alice-token'))?.userId, 'alice')
  it.clock.pass(1_001)
  assert.equal(await identity.validate('alice-token'), undefined)
  assert.equal(it.looks(), 2)
})

test('a token without a project, an unknown one and one that is no token are nobody', async (t) => {
  const it = await service(t)
  const identity = it.client()
  assert.equal(await identity.validate('scopeless'), undefined)
  assert.equal(await identity.validate('unknown'), undefined)
  const before = it.looks()
  assert.equal(await identity.validate('with\nnewline'), undefined)
  assert.equal(await identity.validate('x'.repeat(9_000)), undefined)
  assert.equal(it.looks(), before)
})

test('our own token is asked for once, renewed before it expires, and anew when it is refused', async (t) => {
  const it = await service(t)
  const identity = it.client()
  assert.deepEqual(await Promise.all([identity.serviceToken(), identity.serviceToken()]), ['ours-1', 'ours-1'])
  it.clock.pass(HOUR_MS - 60_000)
  assert.equal(await identity.serviceToken(), 'ours-2')
  it.state.refuseOurs = 'ours-2'
  assert.equal((await identity.validate('alice-token'))?.userId, 'alice')
  assert.equal(await identity.serviceToken(), 'ours-3')
})

test('endpoints come from the catalog, by interface and region', async (t) => {
  const it = await service(t)
  assert.equal(await it.client().endpoint('image'), 'http://out')
  await assert.rejects(it.client('secret', 'one').endpoint('image'), { name: 'ServiceUnavailable' })
  await assert.rejects(it.client().endpoint('volume'), {
    cause: new Error('the catalog has no public endpoint for it'),
  })
})

test('wrong credentials are refused in the service’s words; silence is worth another try', async (t) => {
  const it = await service(t)
  await assert.rejects(it.client('guessed').serviceToken(), { name: 'ServiceRefused', message: /wrong password/ })
  await it.close()
  await assert.rejects(it.client().serviceToken(), { name: 'ServiceUnavailable', kind: 'unavailable' })
})

test('a project is unknown only when the identity service says so, to the user', async (t) => {
  const { client, asked } = await service(t)
  const { projectExists } = client()
  const known = await Promise.all(
    ['p', 'secret', 'broken', 'none', '../p'].map((id) => projectExists(id, 'alice-token')),
  )
  assert.deepEqual(known, [true, true, true, false, false])
  assert.ok(asked.every(({ headers }) => headers['x-auth-token'] === 'alice-token'))
})
