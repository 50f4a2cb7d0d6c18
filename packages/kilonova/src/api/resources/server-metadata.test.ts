/** Metadata over HTTP: whole and item by item, within the quota, and not while the server is being built. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { at, cloud, settled, server } from '../testing/cloud.ts'

async function withServer(t: TestContext) {
  const it = await cloud(t, { quota: { metadata_items: 3 } })
  const id = await server(it, { metadata: { a: '1' } })
  return { it, id, path: `/servers/${id}/metadata` }
}

test('items are added, replaced, read one by one and deleted', async (t) => {
  const { it, id, path } = await withServer(t)
  await settled(it, id)
  assert.deepEqual((await it.call('POST', path, { json: { metadata: { b: '2' } } })).body, {
    metadata: { a: '1', b: '2' },
  })
  assert.deepEqual((await it.call('PUT', `${path}/b`, { json: { meta: { b: '3' } } })).body, { meta: { b: '3' } })
  assert.equal((await it.call('PUT', `${path}/b`, { json: { meta: { c: '3' } } })).status, 400)
  assert.deepEqual((await it.call('GET', `${path}/b`)).body, { meta: { b: '3' } })
  assert.equal((await it.call('DELETE', `${path}/b`)).status, 204)
  assert.equal((await it.call('GET', `${path}/b`)).status, 404)
  assert.deepEqual((await it.call('PUT', path, { json: { metadata: { z: '26' } } })).body, { metadata: { z: '26' } })
  assert.deepEqual(at(await it.call('GET', `/servers/${id}`), 'server', 'metadata'), { z: '26' })
})

test('the quota holds for what would be there afterwards', async (t) => {
  const { it, id, path } = await withServer(t)
  await settled(it, id)
  const over = await it.call('POST', path, { json: { metadata: { b: '', c: '', d: '' } } })
  assert.deepEqual([over.status, at(over, 'forbidden', 'message')], [403, 'Maximum number of metadata items exceeds 3'])
  assert.equal((await it.call('POST', path, { json: { metadata: { a: '', b: '', c: '' } } })).status, 200)
})

test('a server that is being built or locked is not changed, nor one of another project', async (t) => {
  const { it, id, path } = await withServer(t)
  assert.equal((await it.call('POST', path, { json: { metadata: { b: '2' } } })).status, 409)
  await settled(it, id)
  await it.db.updateTable('servers').set({ locked: 1 }).where('id', '=', id).execute()
  assert.equal((await it.call('POST', path, { json: { metadata: { b: '2' } } })).status, 409)
  assert.equal((await it.call('POST', path, { json: { metadata: { b: '2' } }, as: 'admin' })).status, 200)
  assert.equal((await it.call('GET', path, { as: 'other' })).status, 404)
  assert.equal((await it.call('POST', path, { json: { metadata: { b: '2' } }, as: 'reader' })).status, 403)
})
