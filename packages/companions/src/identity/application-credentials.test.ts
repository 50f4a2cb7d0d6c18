/** Application credentials: some roles on one project, a secret that is shown once, an end. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { callWith, namesIn, testRegistry, tokenIn, words, type Caller, type Registry } from './testing.ts'

let it: Registry
let demo = ''
before(async () => {
  it = await testRegistry()
  demo = it.projects['demo'] ?? ''
})
after(() => it.close())

interface Credential {
  readonly id: string
  readonly name: string
  readonly secret: string
  readonly project_id: string
  readonly roles: readonly { readonly name: string }[]
  readonly expires_at: string | null
  readonly unrestricted: boolean
}

async function owner(name: string): Promise<{ id: string; call: Caller; path: string }> {
  const id = await it.user(name, `projects/${demo}`, 'member')
  return { id, call: await it.as(name, { project: { id: demo } }), path: `/v3/users/${id}/application_credentials` }
}
const create = ({ call, path }: { call: Caller; path: string }, fields: object) =>
  call('POST', path, { application_credential: fields })
const made = async (by: { call: Caller; path: string }, fields: object): Promise<Credential> => {
  const { status, body } = await create(by, fields)
  assert.equal(status, 201, JSON.stringify(body))
  return (body as { application_credential: Credential }).application_credential
}
const logIn = ({ id, secret }: Pick<Credential, 'id' | 'secret'>, scope?: unknown) =>
  it.auth({ methods: ['application_credential'], application_credential: { id, secret } }, scope)

test('it logs in to its project with its roles, by id or by name; the secret is shown once', async () => {
  const ann = await owner('ann')
  const credential = await made(ann, { name: 'robot', roles: [{ name: 'reader' }], description: 'D' })
  assert.ok(credential.secret.length > 60)
  assert.deepEqual([credential.project_id, credential.roles.map(({ name }) => name)], [demo, ['reader']])
  for (const path of [ann.path, `${ann.path}/${credential.id}`]) {
    const { status, body } = await ann.call('GET', path)
    assert.equal(status, 200)
    assert.ok(!JSON.stringify(body).includes('secret'))
  }
  const { secret } = credential
  const named = { name: 'robot', user: { name: 'ann', domain: { id: 'default' } }, secret }
  const byName = await it.auth({ methods: ['application_credential'], application_credential: named })
  for (const answer of [await logIn(credential), byName]) {
    assert.equal(answer.status, 201)
    const { token } = answer.body as {
      token: { methods: string[]; roles: { name: string }[]; project: { id: string }; application_credential: object }
    }
    assert.deepEqual(
      [token.methods, token.roles.map(({ name }) => name), token.project.id],
      [['application_credential'], ['reader'], demo],
    )
    assert.deepEqual(token.application_credential, { id: credential.id, name: 'robot', restricted: true })
  }
})

test('a wrong secret, an unknown one and any other scope are refused', async () => {
  const credential = await made(await owner('bea'), { name: 'robot', secret: 'chosen' })
  assert.equal(credential.secret, 'chosen')
  assert.equal((await logIn({ ...credential, secret: 'guessed' })).status, 401)
  assert.equal((await logIn({ id: 'unknown', secret: 'chosen' })).status, 401)
  for (const scope of [{ project: { id: it.projects['other'] } }, { system: { all: true } }, 'unscoped'])
    assert.equal((await logIn(credential, scope)).status, 401)
  for (let tries = 0; tries < 10; tries++) await logIn({ ...credential, secret: 'guessed' })
  assert.equal((await logIn(credential)).status, 429)
  it.clock.advance(60_000)
  assert.equal((await logIn(credential)).status, 201)
})

test('what a restricted one opens makes no more, deletes none and gives no other token; an unrestricted one does', async () => {
  const cat = await owner('cat')
  for (const unrestricted of [false, true]) {
    const credential = await made(cat, { name: `robot-${unrestricted}`, unrestricted })
    const token = tokenIn(await logIn(credential))
    const call = callWith(it, token)
    const more = await create({ call, path: cat.path }, { name: `more-${unrestricted}` })
    assert.equal(more.status, unrestricted ? 201 : 403)
    assert.equal((await call('DELETE', `${cat.path}/${credential.id}`)).status, unrestricted ? 204 : 403)
    if (unrestricted) continue
    const again = await it.auth({ methods: ['token'], token: { id: token } }, { project: { id: demo } })
    assert.equal(again.status, 403)
  }
})

test('it gives no role that its user has not, or no more', async () => {
  const dan = await owner('dan')
  assert.equal((await create(dan, { name: 'big', roles: [{ name: 'admin' }] })).status, 400)
  const credential = await made(dan, { name: 'robot', roles: [{ name: 'member' }] })
  const call = callWith(it, tokenIn(await logIn(credential)))
  assert.equal((await call('GET', '/v3/auth/projects')).status, 200)
  const on = `/v3/projects/${demo}/users/${dan.id}/roles`
  await it.give(dan.id, `projects/${demo}`, 'reader')
  await it.admin.call('DELETE', `${on}/${await it.role('member')}`)
  const roles = ((await logIn(credential)).body as { token: { roles: { name: string }[] } }).token.roles
  assert.deepEqual(
    roles.map(({ name }) => name),
    ['reader'],
  )
  await it.admin.call('DELETE', `${on}/${await it.role('reader')}`)
  assert.equal((await call('GET', '/v3/auth/projects')).status, 401)
  assert.equal((await logIn(credential)).status, 401)
})

test('it ends when it expires, when it is deleted and with its user, and its tokens with it', async () => {
  const eve = await owner('eve')
  const inMs = (ms: number) => new Date(it.clock.now() + ms).toISOString()
  const late = await made(eve, { name: 'late', expires_at: inMs(10_000) })
  assert.match(String(late.expires_at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/)
  const answer = await logIn(late)
  const { expires_at: until } = (answer.body as { token: { expires_at: string } }).token
  assert.ok(Date.parse(until) <= it.clock.now() + 10_000)
  const call = callWith(it, tokenIn(answer))
  assert.equal((await call('GET', '/v3/auth/projects')).status, 200)
  it.clock.advance(10_000)
  assert.equal((await call('GET', '/v3/auth/projects')).status, 401)
  assert.equal((await logIn(late)).status, 401)

  const deleted = await made(eve, { name: 'deleted' })
  const other = callWith(it, tokenIn(await logIn(deleted)))
  assert.equal((await eve.call('DELETE', `${eve.path}/${deleted.id}`)).status, 204)
  assert.equal((await other('GET', '/v3/auth/projects')).status, 401)
  assert.equal((await logIn(deleted)).status, 401)

  const orphan = await made(eve, { name: 'orphan' })
  await it.admin.call('DELETE', `/v3/users/${eve.id}`)
  assert.equal((await logIn(orphan)).status, 401)
})

test('each is its user’s own affair; nobody else makes one, not even an admin', async () => {
  const fay = await owner('fay')
  const credential = await made(fay, { name: 'robot' })
  const gus = await owner('gus')
  for (const [method, path] of [
    ['GET', fay.path],
    ['GET', `${fay.path}/${credential.id}`],
    ['DELETE', `${fay.path}/${credential.id}`],
  ] as const)
    assert.equal((await gus.call(method, path)).status, 403)
  assert.equal((await create({ call: gus.call, path: fay.path }, { name: 'x' })).status, 403)
  assert.equal((await it.admin.call('POST', fay.path, { application_credential: { name: 'x' } })).status, 403)
  assert.deepEqual(namesIn(await it.admin.call('GET', fay.path), 'application_credentials'), ['robot'])
  assert.deepEqual((await fay.call('GET', `/v3/users/${fay.id}/access_rules`)).status, 200)
})

test('what cannot be is said: two of a name, an end in the past, no project, access rules', async () => {
  const hal = await owner('hal')
  await made(hal, { name: 'robot' })
  assert.equal((await create(hal, { name: 'robot' })).status, 409)
  for (const fields of [
    {},
    { name: 'x', expires_at: '2001-01-01T00:00:00' },
    { name: 'x', expires_at: 'tomorrow' },
    { name: 'x', roles: [] },
    { name: 'x', secret: '' },
    { name: 'x', access_rules: [{ path: '/v2.1/servers', method: 'GET', service: 'compute' }] },
  ])
    assert.equal((await create(hal, fields)).status, 400, JSON.stringify(fields))
  const unscoped = { ...hal, call: await it.as('hal') }
  const refused = await create(unscoped, { name: 'y' })
  assert.equal(refused.status, 403)
  assert.match(words(refused), /token for a project/)
})
