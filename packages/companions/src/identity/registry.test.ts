/** What the identity service lists, for whom, and what its first content is. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { exchange } from '@kilonova/base/http/client.ts'
import { passwordAuth, PLAN, testIdentity, type TestIdentity } from '../test-cloud.ts'

let cloud: TestIdentity
before(async () => void (cloud = await testIdentity()))
after(() => cloud.close())

type Listed = Readonly<Record<string, readonly { readonly id: string; readonly name: string }[]>>
const names = (body: unknown, list: string) => (body as Listed)[list]?.map(({ name }) => name)

test('the versions are told to anybody', async () => {
  const root = await exchange({ method: 'GET', url: `${cloud.identity.url}/` })
  assert.equal(root.status, 300)
  const v3 = await exchange({ method: 'GET', url: `${cloud.identity.url}/v3/` })
  assert.equal(
    (v3.body as { version: { links: { href: string }[] } }).version.links[0]?.href,
    `${cloud.identity.url}/v3/`,
  )
})

test('an admin sees all projects, users and roles, and can filter by name', async () => {
  const admin = await cloud.person('admin')
  assert.deepEqual(names((await admin.call('GET', '/v3/projects')).body, 'projects'), [
    'admin',
    'demo',
    'other',
    'service',
  ])
  assert.deepEqual(names((await admin.call('GET', '/v3/projects?name=demo')).body, 'projects'), ['demo'])
  assert.deepEqual(names((await admin.call('GET', '/v3/users?name=other')).body, 'users'), ['other'])
  assert.deepEqual(names((await admin.call('GET', '/v3/roles')).body, 'roles')?.toSorted(), [
    'admin',
    'manager',
    'member',
    'reader',
    'service',
  ])
  assert.equal((await admin.call('GET', '/v3/endpoints?interface=public')).status, 200)
  assert.equal((await admin.call('GET', '/v3/projects/none')).status, 404)
})

test('nothing of a password is shown', async () => {
  const admin = await cloud.person('admin')
  assert.doesNotMatch(JSON.stringify((await admin.call('GET', '/v3/users')).body), /scrypt|secret|hash/)
})

test('a member sees themselves and their projects only', async () => {
  const demo = await cloud.person('demo')
  for (const path of ['/v3/projects', '/v3/users', '/v3/roles', '/v3/services', '/v3/role_assignments'])
    assert.equal((await demo.call('GET', path)).status, 403)
  assert.deepEqual(names((await demo.call('GET', '/v3/auth/projects')).body, 'projects'), ['demo'])
  assert.equal((await demo.call('GET', `/v3/projects/${demo.projectId}`)).status, 200)
  assert.equal((await demo.call('GET', `/v3/projects/${cloud.projects['other']}`)).status, 403)
  assert.deepEqual(names((await demo.call('GET', '/v3/domains')).body, 'domains'), ['Default'])
})

test('assignments are listed with names on request', async () => {
  const admin = await cloud.person('admin')
  const { body } = await admin.call(
    'GET',
    `/v3/role_assignments?scope.project.id=${cloud.projects['demo']}&include_names`,
  )
  const held = (body as { role_assignments: { role: { name: string }; user: { name: string } }[] }).role_assignments
  assert.deepEqual(
    held.map(({ user, role }) => [user.name, role.name]),
    [
      ['demo', 'member'],
      ['reader', 'reader'],
    ],
  )
})

test('the plan may be run again: it changes what differs and voids tokens of a changed password', async () => {
  const before = await cloud.person('reader')
  const kept = await cloud.person('demo')
  const users = PLAN.users.map((user) => (user.name === 'reader' ? { ...user, password: 'new-secret' } : user))
  cloud.clock.advance(1000)
  const again = await cloud.identity.bootstrap({ ...PLAN, users })
  assert.deepEqual(again.projects, cloud.projects)
  assert.equal((await before.call('GET', '/v3/auth/projects')).status, 401)
  assert.equal((await kept.call('GET', '/v3/auth/projects')).status, 200)
  const url = `${cloud.identity.url}/v3/auth/tokens`
  assert.equal((await exchange({ method: 'POST', url, json: passwordAuth('reader', 'reader-secret') })).status, 401)
  assert.equal((await exchange({ method: 'POST', url, json: passwordAuth('reader', 'new-secret') })).status, 201)
})

test('a plan that speaks of what it does not make is refused whole', async () => {
  const assignments = [{ user: 'demo', project: 'nowhere', role: 'member' }]
  await assert.rejects(
    cloud.identity.bootstrap({ ...PLAN, projects: [...PLAN.projects, { name: 'fresh' }], assignments }),
    /nowhere/,
  )
  const admin = await cloud.person('admin')
  assert.deepEqual(names((await admin.call('GET', '/v3/projects?name=fresh')).body, 'projects'), [])
})

test('what is not there, too large or not JSON is refused in the service’s own words', async () => {
  const missing = await exchange({ method: 'GET', url: `${cloud.identity.url}/v3/nothing` })
  assert.deepEqual([missing.status, (missing.body as { error: { code: number } }).error.code], [404, 404])
  const url = `${cloud.identity.url}/v3/auth/tokens`
  assert.equal((await exchange({ method: 'POST', url, json: { auth: 'x'.repeat(1024 * 1024) } })).status, 413)
  const garbled = await fetch(url, { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } })
  assert.equal(garbled.status, 400)
  assert.equal(((await garbled.json()) as { error: { title: string } }).error.title, 'Bad Request')
})
