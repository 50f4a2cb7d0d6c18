/** What this cloud has not, and what upstream has no more: lists are empty, ids unknown, bodies still checked, removed resources 410. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from '@kilonova/base/clock.ts'
import { at, cloud, server, settled, type Cloud } from '../testing/cloud.ts'

async function own(it: Cloud): Promise<string> {
  const id = await server(it)
  await settled(it, id)
  return id
}
const stateOf = (it: Cloud, id: string, values: object) =>
  it.db.updateTable('servers').set(values).where('id', '=', id).execute()

test('a server has no volumes, and none is there to attach', async (t) => {
  const it = await cloud(t)
  const path = `/servers/${await own(it)}/os-volume_attachments`
  const volumeId = newId()
  const json = { volumeAttachment: { volumeId } }
  assert.deepEqual((await it.call('GET', path)).body, { volumeAttachments: [] })
  for (const [method, url, body, text, version] of [
    ['GET', `${path}/${volumeId}`, undefined, `is not attached to volume ${volumeId}`, '2.1'],
    ['POST', path, json, `Volume ${volumeId} could not be found.`, '2.101'],
    ['PUT', `${path}/${volumeId}`, json, `No volume Block Device Mapping with id ${volumeId}.`, '2.85'],
    ['DELETE', `${path}/${volumeId}`, undefined, `Volume ${volumeId} could not be found.`, '2.1'],
  ] as const) {
    const answer = await it.call(method, url, { version, ...(body ? { json: body } : {}) })
    assert.equal(answer.status, 404, method)
    assert.ok(String(at(answer, 'itemNotFound', 'message')).endsWith(text), JSON.stringify(answer.body))
  }
})

test('what is sent for a volume is checked by version, and the server’s state before the volume', async (t) => {
  const it = await cloud(t)
  const id = await own(it)
  const path = `/servers/${id}/os-volume_attachments`
  const volumeId = newId()
  const attach = async (version: string, more: object = {}) =>
    (await it.call('POST', path, { version, json: { volumeAttachment: { volumeId, ...more } } })).status
  assert.deepEqual([await attach('2.48', { tag: 'a' }), await attach('2.49', { tag: 'a' })], [400, 404])
  const kept = { delete_on_termination: true }
  assert.deepEqual([await attach('2.78', kept), await attach('2.79', kept)], [400, 404])
  assert.deepEqual(
    [
      await attach('2.1', { volumeId: 'x' }),
      await attach('2.1', { device: 'vdb' }),
      await attach('2.1', { device: null }),
    ],
    [400, 400, 404],
  )
  const swap = (version: string, as: string) =>
    it.call('PUT', `${path}/${volumeId}`, { version, as, json: { volumeAttachment: { volumeId } } })
  assert.deepEqual([(await swap('2.84', 'member')).status, (await swap('2.84', 'admin')).status], [403, 404])
  await stateOf(it, id, { vm_state: 'shelved' })
  assert.deepEqual([await attach('2.19'), await attach('2.20')], [409, 404])
  const detach = (version: string) => it.call('DELETE', `${path}/${volumeId}`, { version })
  assert.deepEqual([(await detach('2.19')).status, (await detach('2.20')).status], [409, 404])
  await stateOf(it, id, { vm_state: 'rescued' })
  assert.equal(await attach('2.1'), 409)
  await stateOf(it, id, { vm_state: 'active', locked: 1 })
  assert.equal(await attach('2.1'), 409)
})

test('volumes and snapshots are empty lists until 2.35, and nothing after', async (t) => {
  const it = await cloud(t)
  for (const [path, key] of [
    ['/os-volumes', 'volumes'],
    ['/os-volumes/detail', 'volumes'],
    ['/os-snapshots', 'snapshots'],
    ['/os-snapshots/detail', 'snapshots'],
  ] as const) {
    assert.deepEqual((await it.call('GET', path, { version: '2.35' })).body, { [key]: [] })
    assert.equal((await it.call('GET', path, { version: '2.36' })).status, 404)
  }
  for (const path of ['/os-volumes/x', '/os-snapshots/x'])
    for (const method of ['GET', 'DELETE'] as const) assert.equal((await it.call(method, path)).status, 404)
  const make = async (path: string, json: object) => (await it.call('POST', path, { json })).status
  assert.deepEqual(
    [
      await make('/os-volumes', { volume: { size: 1 } }),
      await make('/os-volumes', { volume: { snapshot_id: newId() } }),
      await make('/os-volumes', { volume: { size: 0 } }),
      await make('/os-snapshots', { snapshot: { volume_id: newId() } }),
    ],
    [400, 404, 400, 400],
  )
})

test('shares are refused in upstream’s order: version, state, feature', async (t) => {
  const it = await cloud(t)
  const id = await own(it)
  const path = `/servers/${id}/shares`
  const version = '2.97'
  const json = { share: { share_id: newId() } }
  assert.equal((await it.call('GET', path, { version: '2.96' })).status, 404)
  assert.deepEqual((await it.call('GET', path, { version })).body, { shares: [] })
  assert.equal((await it.call('POST', path, { version, json })).status, 409)
  assert.equal((await it.call('DELETE', `${path}/x`, { version })).status, 409)
  await stateOf(it, id, { vm_state: 'stopped' })
  assert.equal((await it.call('POST', path, { version, json })).status, 403)
  assert.equal((await it.call('POST', path, { version, json: { share: { share_id: 'x' } } })).status, 400)
  assert.equal((await it.call('GET', `${path}/x`, { version })).status, 404)
  assert.equal((await it.call('DELETE', `${path}/x`, { version })).status, 404)
})

test('the volume service is told that no server has its volume', async (t) => {
  const it = await cloud(t)
  const as = 'service'
  const create_info = { snapshot_id: 's', type: 'qcow2', new_file: 'f' }
  const json = { snapshot: { volume_id: 'v', create_info } }
  const answer = await it.call('POST', '/os-assisted-volume-snapshots', { as, json })
  assert.deepEqual(
    [answer.status, at(answer, 'badRequest', 'message')],
    [400, 'No volume Block Device Mapping with id v.'],
  )
  const remove = (info: string) =>
    it.call('DELETE', `/os-assisted-volume-snapshots/s?delete_info=${encodeURIComponent(info)}`, { as })
  assert.match(String(at(await remove('{"volume_id":"v"}'), 'badRequest', 'message')), /with id v/)
  assert.match(String(at(await remove('nonsense'), 'badRequest', 'message')), /delete_info/)
})

test('what upstream removed is 410 at every version, to whoever has a token', async (t) => {
  const it = await cloud(t)
  const id = await own(it)
  for (const version of ['2.1', '2.103'])
    for (const [method, path, json] of [
      ['GET', '/os-cells', undefined],
      ['GET', '/os-cells/capacities', undefined],
      ['POST', '/os-agents', { anything: 1 }],
      ['GET', `/servers/${id}/os-virtual-interfaces`, undefined],
      ['GET', '/os-fping?all_tenants=1', undefined],
      ['POST', '/os-networks/x/action', { disassociate: null }],
      ['POST', `/servers/${id}/action`, { resetNetwork: null }],
      ['POST', `/servers/${id}/action`, { 'os-getRDPConsole': { type: 'rdp-html5' } }],
    ] as const) {
      const answer = await it.call(method, path, { version, ...(json ? { json } : {}) })
      assert.deepEqual([answer.status, at(answer, 'computeFault', 'code')], [410, 410], `${method} ${path}`)
    }
  assert.equal((await it.call('POST', '/os-fixed-ips/x/action', { json: { other: null } })).status, 400)
  assert.equal((await it.call('GET', '/os-cells', { as: '' })).status, 401)
})

test('servers are also found under os-volumes_boot, until 2.102', async (t) => {
  const it = await cloud(t)
  const id = await own(it)
  const version = '2.102'
  assert.equal(at(await it.call('GET', '/os-volumes_boot', { version }), 'servers', 0, 'id'), id)
  assert.equal(at(await it.call('GET', `/os-volumes_boot/${id}`, { version }), 'server', 'id'), id)
  const act = async (json: object) => (await it.call('POST', `/os-volumes_boot/${id}/action`, { version, json })).status
  assert.deepEqual([await act({ 'os-getConsoleOutput': {} }), await act({ 'os-stop': null })], [400, 202])
  assert.equal((await it.call('GET', '/os-volumes_boot', { version: '2.103' })).status, 404)
})
