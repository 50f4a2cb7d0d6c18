/** Users and groups: what ends their tokens, how they change their password, who is limited. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { exchange } from '@kilonova/base/http/client.ts'
import { callWith, namesIn, testRegistry, tokenIn, words, type Registry } from './testing.ts'

let it: Registry
let demo = ''
before(async () => {
  it = await testRegistry()
  demo = `projects/${it.projects['demo']}`
})
after(() => it.close())

const inDemo = () => ({ project: { id: it.projects['demo'] } })

test('a user shows what was given and nothing of a password', async () => {
  const id = await it.make('users', 'user', {
    name: 'ann',
    email: 'a@example.org',
    password: 'hidden-word',
    options: { ignore_lockout_failure_attempts: true },
    phone: '1',
  })
  const { body } = await it.admin.call('GET', `/v3/users/${id}`)
  const { links: _, ...user } = (body as { user: Record<string, unknown> }).user
  assert.deepEqual(user, {
    id,
    name: 'ann',
    domain_id: 'default',
    email: 'a@example.org',
    enabled: true,
    options: { ignore_lockout_failure_attempts: true },
    password_expires_at: null,
    phone: '1',
  })
  for (const options of [{ unknown: true }, { multi_factor_auth_enabled: true }])
    assert.equal((await it.admin.call('POST', '/v3/users', { user: { name: 'b', options } })).status, 400)
  assert.equal((await it.admin.call('POST', '/v3/users', { user: { name: 'ann' } })).status, 409)
  assert.equal((await it.admin.call('PATCH', `/v3/users/${id}`, { user: { domain_id: 'x' } })).status, 400)
})

test('without a password nobody gets in', async () => {
  await it.make('users', 'user', { name: 'silent' })
  for (const password of ['', 'secret', '$'])
    assert.equal((await it.byPassword('silent', undefined, password)).status, 401)
})

test('what ends a user’s tokens: another password, being disabled or deleted, a role or a group that is taken', async () => {
  const group = await it.make('groups', 'group', { name: 'workers' })
  const member = await it.role('member')
  await it.admin.call('PUT', `/v3/${demo}/groups/${group}/roles/${member}`)
  const ends: readonly [string, (id: string) => Promise<unknown>][] = [
    ['password', (id) => it.admin.call('PATCH', `/v3/users/${id}`, { user: { password: 'next' } })],
    ['disabled', (id) => it.admin.call('PATCH', `/v3/users/${id}`, { user: { enabled: false } })],
    ['deleted', (id) => it.admin.call('DELETE', `/v3/users/${id}`)],
    ['grouped', (id) => it.admin.call('DELETE', `/v3/groups/${group}/users/${id}`)],
  ]
  for (const [name, end] of ends) {
    const id = await it.make('users', 'user', { name, password: 'secret' })
    await it.admin.call('PUT', `/v3/groups/${group}/users/${id}`)
    const caller = await it.as(name, inDemo())
    assert.equal((await caller('GET', '/v3/auth/projects')).status, 200)
    it.clock.advance(1000)
    await end(id)
    assert.equal((await caller('GET', '/v3/auth/projects')).status, 401, name)
  }
})

test('a disabled user who is enabled again has no old tokens', async () => {
  const id = await it.user('paused', demo, 'member')
  const caller = await it.as('paused', inDemo())
  it.clock.advance(1000)
  for (const enabled of [false, true]) await it.admin.call('PATCH', `/v3/users/${id}`, { user: { enabled } })
  assert.equal((await caller('GET', '/v3/auth/projects')).status, 401)
  assert.equal((await it.byPassword('paused', inDemo())).status, 201)
})

test('a user changes their own password with the old one, and no token', async () => {
  const id = await it.user('changer', demo, 'member')
  const change = (original: string, password: string) =>
    exchange({
      method: 'POST',
      url: `${it.identity.url}/v3/users/${id}/password`,
      json: { user: { original_password: original, password } },
    })
  assert.equal((await change('wrong', 'better')).status, 401)
  it.clock.advance(1000)
  assert.equal((await change('secret', 'better')).status, 204)
  assert.equal((await it.byPassword('changer')).status, 401)
  assert.equal((await it.byPassword('changer', undefined, 'better')).status, 201)
  await it.admin.call('PATCH', `/v3/users/${id}`, { user: { options: { lock_password: true } } })
  assert.equal((await change('better', 'best')).status, 403)
})

test('members of a group have its roles', async () => {
  const group = await it.make('groups', 'group', { name: 'readers', description: 'Who reads' })
  const id = await it.user('groupie')
  const path = `/v3/groups/${group}/users/${id}`
  assert.equal((await it.admin.call('HEAD', path)).status, 404)
  assert.equal((await it.admin.call('PUT', path)).status, 204)
  assert.equal((await it.admin.call('PUT', path)).status, 204)
  assert.equal((await it.admin.call('HEAD', path)).status, 204)
  assert.equal((await it.admin.call('PUT', `/v3/groups/${group}/users/nobody`)).status, 404)
  assert.equal((await it.byPassword('groupie', inDemo())).status, 401)
  await it.admin.call('PUT', `/v3/${demo}/groups/${group}/roles/${await it.role('reader')}`)
  assert.equal((await it.byPassword('groupie', inDemo())).status, 201)
  const own = await it.as('groupie')
  assert.deepEqual(namesIn(await own('GET', `/v3/users/${id}/groups`), 'groups'), ['readers'])
  assert.deepEqual(namesIn(await it.admin.call('GET', `/v3/groups/${group}/users`), 'users'), ['groupie'])
  assert.equal((await it.admin.call('DELETE', `/v3/groups/${group}`)).status, 204)
  assert.equal((await it.byPassword('groupie', inDemo())).status, 401)
})

test('after ten wrong passwords a user waits, whoever asks; nobody learns by that who exists', async () => {
  await it.user('target')
  for (const name of ['target', 'does-not-exist']) {
    const tries = Array.from({ length: 10 }, () => it.byPassword(name, undefined, 'guess'))
    for (const { status } of await Promise.all(tries)) assert.equal(status, 401)
    const refused = await it.byPassword(name)
    assert.equal(refused.status, 429)
    assert.match(words(refused), /Too many failed logins/)
    const seconds = Number(refused.headers['retry-after'])
    assert.ok(seconds > 50 && seconds <= 60)
  }
  it.clock.advance(60_000)
  assert.equal((await it.byPassword('target')).status, 201)
})

test('of many guesses at once no more than the allowed ones are answered', async () => {
  await it.user('crowded')
  const answers = await Promise.all(Array.from({ length: 30 }, () => it.byPassword('crowded', undefined, 'guess')))
  assert.ok(answers.filter(({ status }) => status === 401).length <= 11)
  it.clock.advance(60_000)
})

test('a user who may not be locked out is not; a source that guesses on and on is', async () => {
  const id = await it.user('robot')
  await it.admin.call('PATCH', `/v3/users/${id}`, { user: { options: { ignore_lockout_failure_attempts: true } } })
  for (let tries = 0; tries < 12; tries++) assert.equal((await it.byPassword('robot', undefined, 'guess')).status, 401)
  assert.equal((await it.byPassword('robot')).status, 201)
  const guesses = Array.from({ length: 90 }, (_, index) => it.byPassword(`random-${index}`, undefined, 'guess'))
  await Promise.all(guesses)
  assert.equal((await it.byPassword('robot')).status, 429)
  it.clock.advance(60_000)
  assert.equal((await it.byPassword('robot')).status, 201)
})

test('a token of who was limited meanwhile goes on', async () => {
  await it.user('steady', demo, 'member')
  const token = tokenIn(await it.byPassword('steady', inDemo()))
  await Promise.all(Array.from({ length: 10 }, () => it.byPassword('steady', undefined, 'guess')))
  assert.equal((await it.byPassword('steady')).status, 429)
  assert.equal((await callWith(it, token)('GET', '/v3/auth/projects')).status, 200)
})
