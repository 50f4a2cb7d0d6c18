/** Locks over HTTP: whose they are, whom they keep out, and what is shown of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, cloud, server, settled, type Cloud } from '../testing/cloud.ts'

const act = (it: Cloud, id: string, json: unknown, as = 'member', version = '2.73') =>
  it.call('POST', `/servers/${id}/action`, { json, as, version })
const lockOf = async (it: Cloud, id: string) => {
  const { locked, locked_reason } = at(await it.call('GET', `/servers/${id}`, { version: '2.73' }), 'server') as {
    locked: boolean
    locked_reason: string | null
  }
  return [locked, locked_reason]
}
async function made(t: Parameters<typeof cloud>[0]) {
  const it = await cloud(t)
  const id = await server(it)
  await settled(it, id)
  return { it, id }
}

test('its owner locks a server, is kept out himself, and lets go of it', async (t) => {
  const { it, id } = await made(t)
  assert.equal((await act(it, id, { lock: { locked_reason: 'do not touch' } })).status, 202)
  assert.deepEqual(await lockOf(it, id), [true, 'do not touch'])
  assert.equal((await act(it, id, { lock: null })).status, 202)
  assert.deepEqual(await lockOf(it, id), [true, 'do not touch'], 'it is locked already')
  for (const [method, path, json] of [
    ['POST', '/action', { pause: null }],
    ['POST', '/action', { 'os-stop': null }],
    ['POST', '/action', { forceDelete: null }],
    ['POST', '/action', { trigger_crash_dump: null }],
    ['POST', '/action', { 'kilonova:cancel': null }],
    ['POST', '/metadata', { metadata: { a: 'b' } }],
    ['DELETE', '', undefined],
  ] as const) {
    const answer = await it.call(method, `/servers/${id}${path}`, {
      version: '2.73',
      ...(json === undefined ? {} : { json }),
    })
    assert.equal(answer.status, 409, JSON.stringify(json))
    assert.equal(at(answer, 'conflictingRequest', 'message'), `Instance ${id} is locked`)
  }
  assert.equal((await act(it, id, { unlock: null })).status, 202)
  assert.deepEqual(await lockOf(it, id), [false, null])
  assert.equal((await act(it, id, { pause: null })).status, 202)
})

test('an administrator does things to a locked server, and alone lets go of an own lock', async (t) => {
  const { it, id } = await made(t)
  assert.equal((await act(it, id, { lock: { locked_reason: 'under inspection' } }, 'admin')).status, 202)
  const refused = await act(it, id, { unlock: null })
  assert.equal(refused.status, 403)
  assert.match(JSON.stringify(refused.body), /os-lock-server:unlock:unlock_override/)
  assert.deepEqual(await lockOf(it, id), [true, 'under inspection'])
  assert.equal((await act(it, id, { 'os-stop': null }, 'admin')).status, 202)
  assert.equal((await act(it, id, { unlock: null }, 'admin')).status, 202)
  assert.deepEqual(await lockOf(it, id), [false, null])
  await act(it, id, { lock: null })
  assert.equal((await act(it, id, { unlock: null }, 'admin')).status, 202, 'and of everybody else’s')
})

test('a reason is 1 to 255 letters, and comes with 2.73', async (t) => {
  const { it, id } = await made(t)
  for (const value of [{ locked_reason: '' }, { locked_reason: 'x'.repeat(256) }, { other: 1 }, 'x', []])
    assert.equal((await act(it, id, { lock: value })).status, 400, JSON.stringify(value))
  assert.equal((await act(it, id, { lock: { locked_reason: 'lost' } }, 'member', '2.72')).status, 202)
  assert.deepEqual(await lockOf(it, id), [true, null])
})

test('lists are filtered and sorted by it, and what was done shows it', async (t) => {
  const { it, id } = await made(t)
  const other = await server(it)
  await act(it, id, { lock: null })
  const listed = async (query: string, version = '2.73') =>
    (at(await it.call('GET', `/servers?${query}`, { version }), 'servers') as { id: string }[]).map((each) => each.id)
  assert.deepEqual(await listed('locked=true'), [id])
  assert.deepEqual(await listed('locked=false'), [other])
  assert.deepEqual(await listed('sort_key=locked&sort_dir=asc'), [other, id])
  assert.deepEqual(await listed('sort_key=locked_by&sort_dir=desc'), [id, other])
  await act(it, id, { unlock: null })
  const done = at(await it.call('GET', `/servers/${id}/os-instance-actions`), 'instanceActions') as {
    action: string
    request_id: string
  }[]
  assert.deepEqual(
    done.map(({ action }) => action),
    ['unlock', 'lock', 'create'],
  )
  const one = await it.call('GET', `/servers/${id}/os-instance-actions/${done[1]?.request_id}`, { version: '2.51' })
  const events = at(one, 'instanceAction', 'events') as { event: string; result: string }[]
  assert.deepEqual(
    events.map(({ event, result }) => [event, result]),
    [['api_lock', 'Success']],
  )
})
