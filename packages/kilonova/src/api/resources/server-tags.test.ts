/** Tags over HTTP: whole and one by one, within the limits, and as filters of lists. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, cloud, settled, server, type Cloud } from '../testing/cloud.ts'

const version = '2.26'
const tagged = async (it: Cloud, ...tags: string[]) => {
  const id = await server(it)
  await settled(it, id)
  assert.equal((await it.call('PUT', `/servers/${id}/tags`, { version, json: { tags } })).status, 200)
  return id
}

test('tags are replaced, added, asked for and deleted', async (t) => {
  const it = await cloud(t)
  const id = await tagged(it)
  const call = (method: 'GET' | 'PUT' | 'DELETE', path: string, json?: unknown) =>
    it.call(method, `/servers/${id}/tags${path}`, { version, ...(json === undefined ? {} : { json }) })
  assert.deepEqual((await call('PUT', '', { tags: ['b', 'a', 'b'] })).body, { tags: ['a', 'b'] })
  const added = await call('PUT', '/new%20one')
  assert.deepEqual([added.status, added.headers.location], [201, `${it.url}/v2.1/servers/${id}/tags/new%20one`])
  assert.deepEqual([(await call('PUT', '/a')).status, (await call('GET', '/a')).status], [204, 204])
  const missing = await call('GET', '/c')
  assert.deepEqual([missing.status, at(missing, 'itemNotFound', 'message')], [404, `Server ${id} has no tag 'c'`])
  assert.deepEqual([(await call('DELETE', '/a')).status, (await call('DELETE', '/a')).status], [204, 404])
  assert.deepEqual(at(await it.call('GET', `/servers/${id}`, { version }), 'server', 'tags'), ['b', 'new one'])
  assert.equal((await call('DELETE', '')).status, 204)
  assert.deepEqual((await call('GET', '')).body, { tags: [] })
  assert.equal((await it.call('GET', `/servers/${id}/tags`, { version: '2.25' })).status, 404)
})

test('a tag is 1 to 60 characters without / and comma, and a server has at most fifty', async (t) => {
  const it = await cloud(t)
  const id = await tagged(it)
  const put = (tag: string) => it.call('PUT', `/servers/${id}/tags/${encodeURIComponent(tag)}`, { version })
  assert.equal((await put('x'.repeat(60))).status, 201)
  for (const wrong of ['x'.repeat(61), 'a,b', 'a/b'])
    assert.match(String(at(await put(wrong), 'badRequest', 'message')), /is invalid/)
  const whole = (tags: unknown) => it.call('PUT', `/servers/${id}/tags`, { version, json: { tags } })
  for (const wrong of [[''], ['a,b'], ['a/b'], 'a', Array.from({ length: 51 }, (_, n) => String(n))])
    assert.equal((await whole(wrong)).status, 400)
  assert.equal((await whole(Array.from({ length: 50 }, (_, n) => String(n)))).status, 200)
  assert.equal(
    at(await put('one more'), 'badRequest', 'message'),
    'The number of tags exceeded the per-server limit 50',
  )
})

test('a server that is being built is not tagged, a locked one is, another project’s is not there', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  const put = (as = 'member') => it.call('PUT', `/servers/${id}/tags/x`, { version, as })
  const early = await put()
  assert.deepEqual(
    [early.status, at(early, 'conflictingRequest', 'message')],
    [409, `Cannot 'update tag' instance ${id} while it is in vm_state building`],
  )
  await settled(it, id)
  await it.db.updateTable('servers').set({ locked: 1 }).where('id', '=', id).execute()
  assert.deepEqual([(await put('other')).status, (await put('reader')).status, (await put()).status], [404, 403, 201])
})

test('tags are given at create from 2.52 on', async (t) => {
  const it = await cloud(t)
  const json = {
    server: {
      name: 'one',
      flavorRef: '1',
      imageRef: [...it.images.keys()][0],
      networks: 'none',
      tags: ['b', 'a', 'a'],
    },
  }
  assert.equal((await it.call('POST', '/servers', { version: '2.51', json })).status, 400)
  const made = await it.call('POST', '/servers', { version: '2.52', json })
  assert.deepEqual(at(await it.call('GET', `/servers/${String(at(made, 'server', 'id'))}/tags`, { version }), 'tags'), [
    'a',
    'b',
  ])
})

test('lists are filtered by all, any, not all and none of the tags', async (t) => {
  const it = await cloud(t)
  const names = new Map([
    [await tagged(it, 'red', 'round'), 'ball'],
    [await tagged(it, 'red'), 'rose'],
    [await tagged(it, 'round', '"red"', 'red\\'), 'odd'],
    [await tagged(it), 'bare'],
  ])
  const found = async (query: string) =>
    (at(await it.call('GET', `/servers?${query}`, { version }), 'servers') as { id: string }[])
      .map(({ id }) => names.get(id) ?? '')
      .toSorted()
  assert.deepEqual(await found('tags=red,round'), ['ball'])
  assert.deepEqual(await found('tags=red'), ['ball', 'rose'])
  assert.deepEqual(await found('tags=RED'), [])
  assert.deepEqual(await found('tags=re'), [])
  assert.deepEqual(await found('tags-any=red,round'), ['ball', 'odd', 'rose'])
  assert.deepEqual(await found('not-tags=red,round'), ['bare', 'odd', 'rose'])
  assert.deepEqual(await found('not-tags-any=red,round'), ['bare'])
  assert.deepEqual(await found('tags=red&not-tags=round'), ['rose'])
  assert.deepEqual(await found(`tags=${encodeURIComponent('red\\')}`), ['odd'])
})
