/** Tokens over HTTP: how one is got, what it says, what it opens and how it ends. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { exchange } from '@kilonova/base/http/client.ts'
import { passwordAuth, testIdentity, type TestIdentity } from '../test-cloud.ts'

let cloud: TestIdentity
before(async () => void (cloud = await testIdentity()))
after(() => cloud.close())

interface Shown {
  readonly token: {
    readonly methods: string[]
    readonly expires_at: string
    readonly audit_ids: string[]
    readonly user: { readonly name: string }
    readonly project?: { readonly id: string; readonly name: string; readonly domain: unknown }
    readonly roles?: { readonly name: string }[]
    readonly catalog?: {
      readonly type: string
      readonly endpoints: { readonly url: string; readonly interface: string }[]
    }[]
  }
}

const ask = (json: unknown, query = '') =>
  exchange({ method: 'POST', url: `${cloud.identity.url}/v3/auth/tokens${query}`, json })
const demo = { project: { name: 'demo', domain: { name: 'Default' } } }
const use = (token: string, method: 'GET' | 'HEAD' | 'DELETE', path: string, subject = token) =>
  exchange({
    method,
    url: `${cloud.identity.url}${path}`,
    headers: { 'x-auth-token': token, 'x-subject-token': subject },
  })
const refusal = {
  error: { code: 401, message: 'The request you have made requires authentication.', title: 'Unauthorized' },
}

test('a password and a project give a token with roles, implied ones too, and a catalog', async () => {
  const answer = await ask(passwordAuth('demo', 'demo-secret', demo))
  assert.equal(answer.status, 201)
  assert.match(String(answer.headers['x-subject-token']), /^[\w-]{40,}$/)
  assert.match(String(answer.headers['x-openstack-request-id']), /^req-/)
  const { token } = answer.body as Shown
  assert.deepEqual(token.methods, ['password'])
  assert.equal(token.user.name, 'demo')
  assert.deepEqual(token.project, {
    id: cloud.projects['demo'],
    name: 'demo',
    domain: { id: 'default', name: 'Default' },
  })
  assert.deepEqual(
    token.roles?.map(({ name }) => name),
    ['member', 'reader'],
  )
  const compute = token.catalog?.find(({ type }) => type === 'compute')
  assert.deepEqual(
    compute?.endpoints.map((endpoint) => endpoint.interface),
    ['admin', 'internal', 'public'],
  )
  assert.equal(compute?.endpoints[0]?.url, `http://127.0.0.1:8774/v2.1/${cloud.projects['demo']}`)
})

test('a project may be named by id, the catalog left out', async () => {
  const answer = await ask(
    passwordAuth('demo', 'demo-secret', { project: { id: cloud.projects['demo'] } }),
    '?nocatalog',
  )
  assert.equal(answer.status, 201)
  assert.equal((answer.body as Shown).token.catalog, undefined)
})

test('without a scope the default project is taken, without one the token has none', async () => {
  const scoped = (await ask(passwordAuth('demo', 'demo-secret'))).body as Shown
  assert.equal(scoped.token.project?.name, 'demo')
  for (const body of [passwordAuth('other', 'other-secret'), passwordAuth('demo', 'demo-secret', { unscoped: {} })]) {
    const { token } = (await ask(body)).body as Shown
    assert.equal(token.project, undefined)
    assert.equal(token.roles, undefined)
  }
})

test('a wrong password, an unknown user, a foreign project and a foreign domain are one and the same refusal', async () => {
  const bodies = [
    passwordAuth('demo', 'wrong', demo),
    passwordAuth('nobody', 'demo-secret', demo),
    passwordAuth('other', 'other-secret', demo),
    passwordAuth('demo', 'demo-secret', { domain: { id: 'default' } }),
    passwordAuth('demo', 'demo-secret', { system: { all: true } }),
  ]
  for (const body of bodies) {
    const answer = await ask(body)
    assert.equal(answer.status, 401)
    assert.deepEqual(answer.body, refusal)
    assert.equal(answer.headers['x-subject-token'], undefined)
  }
})

test('an unknown user costs a hash too', async () => {
  const took = async (name: string) => {
    const start = performance.now()
    await ask(passwordAuth(name, 'wrong'))
    return performance.now() - start
  }
  const fastest = async (name: string) => Math.min(await took(name), await took(name), await took(name))
  const known = await fastest('demo')
  assert.ok((await fastest('nobody')) > known / 3)
})

test('malformed requests are a 400 that says where', async () => {
  for (const body of [{}, { auth: { identity: {} } }, { auth: { identity: { methods: ['password'] } } }]) {
    const answer = await ask(body)
    assert.equal(answer.status, 400)
    assert.equal((answer.body as { error: { title: string } }).error.title, 'Bad Request')
  }
})

test('a token shown again gives one for another scope that lives no longer', async () => {
  const first = await ask(passwordAuth('demo', 'demo-secret', { unscoped: {} }))
  cloud.clock.advance(60_000)
  const id = String(first.headers['x-subject-token'])
  const second = await ask({ auth: { identity: { methods: ['token'], token: { id } }, scope: demo } })
  assert.equal(second.status, 201)
  const [one, two] = [(first.body as Shown).token, (second.body as Shown).token]
  assert.equal(two.expires_at, one.expires_at)
  assert.deepEqual(two.methods, ['token', 'password'])
  assert.equal(two.audit_ids[1], one.audit_ids[0])
})

test('a service and the holder may look at a token, a stranger may not', async () => {
  const [holder, service, stranger] = await Promise.all([
    cloud.person('demo'),
    cloud.person('kilonova'),
    cloud.person('other'),
  ])
  for (const { token } of [holder, service]) {
    const answer = await use(token, 'GET', '/v3/auth/tokens', holder.token)
    assert.equal(answer.status, 200)
    assert.equal((answer.body as Shown).token.user.name, 'demo')
  }
  assert.equal((await use(service.token, 'HEAD', '/v3/auth/tokens', holder.token)).status, 200)
  assert.equal((await use(stranger.token, 'GET', '/v3/auth/tokens', holder.token)).status, 403)
  assert.equal((await use(service.token, 'GET', '/v3/auth/tokens', 'never-issued')).status, 404)
})

test('a revoked token opens nothing', async () => {
  const { token } = await cloud.person('demo')
  assert.equal((await use(token, 'DELETE', '/v3/auth/tokens')).status, 204)
  assert.equal((await use(token, 'GET', '/v3/auth/projects')).status, 401)
})

test('an expired token opens nothing', async () => {
  const { token } = await cloud.person('demo')
  cloud.clock.advance(3600_000)
  const service = await cloud.person('kilonova')
  assert.deepEqual((await use(token, 'GET', '/v3/auth/projects')).body, refusal)
  assert.equal((await use(service.token, 'GET', '/v3/auth/tokens', token)).status, 404)
})
