/** Deleted servers that can be restored: with `reclaim_instance_interval`, and how they are listed and counted meanwhile. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { at, cloud, server, settled, type Cloud } from '../testing/cloud.ts'

const act = (it: Cloud, id: string, json: unknown, as = 'member') =>
  it.call('POST', `/servers/${id}/action`, { json, as })
const state = async (it: Cloud, id: string) => {
  const shown = at(await it.call('GET', `/servers/${id}`), 'server') as Record<string, unknown>
  return [shown['status'], shown['OS-EXT-STS:task_state']]
}
async function made(t: TestContext, quota = {}) {
  const it = await cloud(t, { DEFAULT: { reclaim_instance_interval: 60 }, quota })
  const id = await server(it)
  await settled(it, id)
  return { it, id }
}
/** As its task leaves it. */
const softDeleted = (it: Cloud, id: string) =>
  it.db
    .updateTable('servers')
    .set({ vm_state: 'soft-delete', task_state: null, task_id: null, soft_deleted_at: it.clock.now() })
    .where('id', '=', id)
    .execute()

test('DELETE soft-deletes what ever ran, and a second one changes nothing', async (t) => {
  const { it, id } = await made(t)
  assert.equal((await it.call('DELETE', `/servers/${id}`)).status, 204)
  assert.deepEqual(await state(it, id), ['ACTIVE', 'soft-deleting'])
  const tasks = () => it.db.selectFrom('tasks').select('action').where('server_id', '=', id).execute()
  const before = await tasks()
  assert.equal((await it.call('DELETE', `/servers/${id}`)).status, 204)
  assert.deepEqual(await tasks(), before)
  assert.equal((await act(it, id, { forceDelete: null })).status, 202)
  assert.deepEqual(await state(it, id), ['ACTIVE', 'deleting'])
  assert.equal((await it.call('DELETE', `/servers/${id}`)).status, 204)
  assert.deepEqual(await state(it, id), ['ACTIVE', 'deleting'], 'it is deleted, not soft-deleted again')

  const neverRan = await server(it)
  assert.equal((await it.call('DELETE', `/servers/${neverRan}`)).status, 204)
  assert.deepEqual(await state(it, neverRan), ['BUILD', 'deleting'])
})

test('a soft-deleted server is shown, not listed, and can only be restored or deleted', async (t) => {
  const { it, id } = await made(t)
  await softDeleted(it, id)
  assert.deepEqual(await state(it, id), ['SOFT_DELETED', null])
  const listed = async (query: string, as = 'member') =>
    (at(await it.call('GET', `/servers?${query}`, { as }), 'servers') as unknown[]).length
  assert.equal(await listed(''), 0)
  assert.equal(await listed('soft_deleted=true'), 0, 'only administrators may ask')
  assert.equal(await listed('all_tenants=1&soft_deleted=true', 'admin'), 1)
  assert.equal(await listed('all_tenants=1&deleted=true', 'admin'), 1)
  assert.equal(await listed('all_tenants=1&deleted=true&soft_deleted=false', 'admin'), 0)
  assert.equal(await listed('changes-since=2000-01-01T00:00:00Z'), 1)
  for (const json of [{ 'os-start': null }, { pause: null }, { reboot: { type: 'HARD' } }])
    assert.equal((await act(it, id, json)).status, 409, JSON.stringify(json))
  assert.equal((await act(it, id, { restore: null })).status, 202)
  assert.deepEqual(await state(it, id), ['SOFT_DELETED', 'restoring'])
})

test('it counts for no quota, and comes back only where there is room', async (t) => {
  const { it, id } = await made(t, { instances: 1 })
  await softDeleted(it, id)
  const used = async () => at(await it.call('GET', '/limits'), 'limits', 'absolute', 'totalInstancesUsed')
  assert.equal(await used(), 0)
  const other = await server(it)
  assert.equal(await used(), 1)
  const refused = await act(it, id, { restore: null })
  assert.equal(refused.status, 403)
  assert.match(JSON.stringify(refused.body), /Quota exceeded for instances: Requested 1, but already used 1 of 1/)
  assert.deepEqual(await state(it, id), ['SOFT_DELETED', null])
  await it.db.deleteFrom('servers').where('id', '=', other).execute()
  assert.equal((await act(it, id, { restore: null })).status, 202)
})

test('what is not soft-deleted cannot be restored; without an interval nothing is soft-deleted', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  await settled(it, id)
  const refused = await act(it, id, { restore: null })
  assert.equal(refused.status, 409)
  assert.match(JSON.stringify(refused.body), /Cannot 'restore' instance .* while it is in vm_state active/)
  assert.equal((await it.call('DELETE', `/servers/${id}`)).status, 204)
  assert.deepEqual(await state(it, id), ['ACTIVE', 'deleting'])
})
