/** What ended tokens is told to services at once, and an expired token may be asked about for a while. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { exchange } from '@kilonova/base/http/client.ts'
import { revocations } from './revocations.ts'
import { testRegistry, tokenIn, type Registry } from './testing.ts'

let it: Registry
before(async () => void (it = await testRegistry()))
after(() => it.close())

interface Page {
  readonly cursor: string
  readonly all: boolean
  readonly audit_ids: readonly string[]
  readonly user_ids: readonly string[]
}
async function follow() {
  const service = await it.person('kilonova')
  const ask = async (query: string): Promise<Page> => {
    const { status, body } = await service.call('GET', `/v3/kilonova/revocations${query}`)
    assert.equal(status, 200, JSON.stringify(body))
    return body as Page
  }
  const { cursor } = await ask('')
  return { ask, next: (wait = 30) => ask(`?since=${cursor}&wait=${wait}`) }
}

test('without a cursor, or with one from elsewhere, anything may have ended', async () => {
  const { ask } = await follow()
  for (const query of ['', '?since=elsewhere-3', '?since=', '?since=nonsense&wait=30'])
    assert.equal((await ask(query)).all, true, query)
  assert.equal((await (await it.person('kilonova')).call('GET', '/v3/kilonova/revocations?wait=long')).status, 400)
})

test('a question is answered when something happens, and by then with nothing', async () => {
  const { next } = await follow()
  const quiet = await next(0)
  assert.deepEqual([quiet.all, quiet.audit_ids, quiet.user_ids], [false, [], []])
  const waiting = next()
  const demo = await it.person('demo')
  await demo.call('DELETE', '/v3/auth/tokens', undefined, { 'x-subject-token': demo.token })
  const began = performance.now()
  const page = await waiting
  assert.ok(performance.now() - began < 1000)
  assert.equal(page.audit_ids.length, 1)
})

test('each kind of change tells whose tokens it ended', async () => {
  const demo = it.projects['demo']
  const id = await it.user('subject', `projects/${demo}`, 'member')
  const group = await it.make('groups', 'group', { name: 'g' })
  const member = await it.role('member')
  const on = `/v3/projects/${demo}`
  const changes: readonly [() => Promise<unknown>, 'user' | 'all'][] = [
    [() => it.admin.call('PATCH', `/v3/users/${id}`, { user: { password: 'x' } }), 'user'],
    [() => it.admin.call('PATCH', `/v3/users/${id}`, { user: { enabled: false } }), 'user'],
    [() => it.admin.call('PUT', `/v3/groups/${group}/users/${id}`), 'user'],
    [() => it.admin.call('DELETE', `/v3/groups/${group}/users/${id}`), 'user'],
    [() => it.admin.call('DELETE', `${on}/users/${id}/roles/${member}`), 'user'],
    [() => it.admin.call('PUT', `${on}/groups/${group}/roles/${member}`), 'all'],
    [() => it.admin.call('DELETE', `/v3/groups/${group}`), 'all'],
    [() => it.admin.call('PATCH', on, { project: { enabled: false } }), 'all'],
    [() => it.admin.call('PATCH', on, { project: { enabled: true } }), 'all'],
    [() => it.admin.call('DELETE', `/v3/users/${id}`), 'user'],
  ]
  for (const [change, whose] of changes) {
    const { next } = await follow()
    await change()
    const page = await next(0)
    assert.deepEqual([page.all, page.user_ids], whose === 'all' ? [true, []] : [false, [id]], String(change))
  }
})

test('the ring is bounded: who was away too long is told to forget all', async () => {
  const feed = revocations()
  const { cursor } = await feed.after(undefined, 0)
  for (let count = 0; count < 1000; count++) feed.tell({ userId: 'u' })
  assert.deepEqual(await feed.after(cursor, 0).then(({ all, userIds }) => [all, userIds]), [false, ['u']])
  feed.tell({ userId: 'u' })
  assert.equal((await feed.after(cursor, 0)).all, true)
})

test('a service may ask about a token that expired, for two days', async () => {
  await it.user('late', `projects/${it.projects['demo']}`, 'member')
  const token = tokenIn(await it.byPassword('late', { project: { id: it.projects['demo'] } }))
  const look = async (query: string) => {
    const service = await it.person('kilonova')
    const url = `${it.identity.url}/v3/auth/tokens${query}`
    const headers = { 'x-auth-token': service.token, 'x-subject-token': token }
    return (await exchange({ method: 'GET', url, headers })).status
  }
  assert.deepEqual([await look(''), await look('?allow_expired=1')], [200, 200])
  it.clock.advance(2 * 3600_000)
  assert.deepEqual([await look(''), await look('?allow_expired=1'), await look('?allow_expired=0')], [404, 200, 404])
  it.clock.advance(48 * 3600_000)
  assert.equal(await look('?allow_expired=1'), 404)
})
