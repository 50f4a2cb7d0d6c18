/** What a server shows at each microversion: a key's first version, as upstream has it, and what administrators see more. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { setFault } from '../../db/server-columns.ts'
import { at, cloud, PROJECT, server, settled } from '../testing/cloud.ts'

const SINCE: readonly (readonly [string, number])[] = [
  ['locked', 9],
  ['description', 19],
  ['tags', 26],
  ['trusted_image_certificates', 63],
  ['server_groups', 71],
  ['locked_reason', 73],
  ['OS-EXT-SRV-ATTR:hostname', 90],
  ['pinned_availability_zone', 96],
  ['scheduler_hints', 100],
]
const ADMIN_SINCE: readonly (readonly [string, number])[] = [
  ['OS-EXT-SRV-ATTR:host', 1],
  ['OS-EXT-SRV-ATTR:instance_name', 1],
  ['OS-EXT-SRV-ATTR:reservation_id', 3],
  ['OS-EXT-SRV-ATTR:user_data', 3],
  ['OS-EXT-SRV-ATTR:root_device_name', 3],
  ['host_status', 16],
]

test('each key is there from its version on, for users and for administrators', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  await settled(it, id)
  const has = async (minor: number, as: string, key: string) =>
    Object.hasOwn(at(await it.call('GET', `/servers/${id}`, { as, version: `2.${minor}` }), 'server') as object, key)
  for (const [key, minor] of SINCE) {
    assert.equal(await has(minor, 'member', key), true, `${key} at 2.${minor}`)
    assert.equal(await has(minor - 1, 'member', key), false, `${key} before 2.${minor}`)
  }
  for (const [key, minor] of ADMIN_SINCE) {
    assert.equal(await has(minor, 'admin', key), true, `${key} at 2.${minor}`)
    if (minor > 1) assert.equal(await has(minor - 1, 'admin', key), false, `${key} before 2.${minor}`)
    assert.equal(await has(103, 'member', key), false, `${key} is not for users`)
  }
})

test('the flavor is a link until 2.46 and embedded from 2.47; the image has properties from 2.98', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  const part = async (minor: number, key: string) =>
    at(await it.call('GET', `/servers/${id}`, { version: `2.${minor}` }), 'server', key) as Record<string, unknown>
  assert.deepEqual(await part(46, 'flavor'), { id: '1', links: [{ rel: 'bookmark', href: `${it.url}/flavors/1` }] })
  assert.deepEqual(await part(47, 'flavor'), {
    vcpus: 1,
    ram: 512,
    disk: 1,
    ephemeral: 0,
    swap: 0,
    original_name: 'm1.tiny',
    extra_specs: {},
  })
  assert.equal((await part(97, 'image'))['properties'], undefined)
  assert.deepEqual((await part(98, 'image'))['properties'], { min_disk: '0', min_ram: '0', disk_format: 'qcow2' })
})

test('the host is told as a hash, the fault only when it is broken, its details only to administrators', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  const show = (as = 'member') => it.call('GET', `/servers/${id}`, { as })
  assert.equal(at(await show(), 'server', 'hostId'), '')
  await settled(it, id)
  assert.equal(at(await show(), 'server', 'hostId'), hash('sha224', `${PROJECT}host1`))
  await setFault(it.db, id, { code: 500, message: 'it broke', details: 'it broke: because', createdAt: 0 })
  assert.equal(at(await show(), 'server', 'fault'), undefined)
  await it.db.updateTable('servers').set({ vm_state: 'error' }).execute()
  assert.deepEqual(at(await show(), 'server', 'fault'), {
    code: 500,
    created: '1970-01-01T00:00:00Z',
    message: 'it broke',
  })
  assert.equal(at(await show('admin'), 'server', 'fault', 'details'), 'it broke: because')
  assert.equal(at(await show(), 'server', 'progress'), undefined)
})

test('a detailed list shows each server as it is shown alone, but for its groups', async (t) => {
  const it = await cloud(t)
  const id = await server(it, { user_data: 'aGk=', metadata: { a: 'b' } })
  await settled(it, id)
  for (const version of ['2.1', '2.3', '2.47', '2.96', '2.103'])
    for (const as of ['member', 'admin']) {
      const { server_groups: _, ...one } = at(
        await it.call('GET', `/servers/${id}`, { as, version }),
        'server',
      ) as Record<string, unknown>
      assert.deepEqual(
        at(await it.call('GET', '/servers/detail?all_tenants=0', { as: 'member', version }), 'servers', 0, 'id'),
        id,
      )
      if (as === 'admin')
        assert.deepEqual(at(await it.call('GET', '/servers/detail?all_tenants=1', { as, version }), 'servers', 0), one)
    }
})

test('an update answers with a short server until 2.74 and a whole one from 2.75', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  const keys = async (version: string) =>
    Object.keys(
      at(await it.call('PUT', `/servers/${id}`, { version, json: { server: { name: 'x' } } }), 'server') as object,
    )
  assert.equal((await keys('2.74')).includes('key_name'), false)
  assert.equal((await keys('2.75')).includes('key_name'), true)
})

test('names are made host names', async (t) => {
  const it = await cloud(t)
  const hostname = async (name: string, more = {}, version = '2.90') => {
    const made = await it.call('POST', '/servers', {
      version,
      json: { server: { name, flavorRef: '1', imageRef: [...it.images.keys()][0], networks: 'none', ...more } },
    })
    return at(
      await it.call('GET', `/servers/${String(at(made, 'server', 'id'))}`, { version: '2.90' }),
      'server',
      'OS-EXT-SRV-ATTR:hostname',
    )
  }
  assert.equal(await hostname('My Server_1.example'), 'my-server-1-example')
  assert.match(String(await hostname('日本')), /^server-[0-9a-f-]{36}$/)
  assert.equal(await hostname('x', { hostname: 'chosen' }), 'chosen')
  assert.equal(await hostname('x', { hostname: 'a.b.c' }, '2.94'), 'a.b.c')
})

test('a server has no NUMA topology, which is asked for from 2.78 on', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  const topology = (version: string, as = 'reader') => it.call('GET', `/servers/${id}/topology`, { version, as })
  assert.deepEqual((await topology('2.78')).body, { nodes: [], pagesize_kb: null })
  assert.deepEqual([(await topology('2.77')).status, (await topology('2.78', 'other')).status], [404, 404])
})
