/** What operators look at over HTTP: hypervisors, services, zones, limits, at the versions that changed them. */
import assert from 'node:assert/strict'
import { newId } from '@kilonova/base/clock.ts'
import { insertMigration } from '../../db/server-migrations.ts'
import { test } from 'node:test'
import { deleteAllocations, insertAllocation } from '../../db/allocations.ts'
import { keepReport } from '../../db/hosts.ts'
import { seen } from '../../db/services.ts'
import { at, cloud, OTHER_PROJECT, reportOf, server, settled } from '../testing/cloud.ts'

const admin = { as: 'admin' } as const

test('hypervisors show what hosts have, as numbers before 2.53 and as UUIDs after, without sizes from 2.88', async (t) => {
  const it = await cloud(t)
  const detail = async (version: string) =>
    at(await it.call('GET', '/os-hypervisors/detail', { ...admin, version }), 'hypervisors', 0) as Record<
      string,
      unknown
    >
  const old = await detail('2.1')
  assert.deepEqual(
    [old['id'], old['vcpus'], old['memory_mb'], old['hypervisor_hostname'], old['state']],
    [1, 8, 16_384, 'host1.example', 'up'],
  )
  assert.equal(typeof old['cpu_info'], 'string')
  assert.equal(typeof (await detail('2.28'))['cpu_info'], 'object')
  const uuid = (await detail('2.53'))['id']
  assert.match(String(uuid), /^[0-9a-f-]{36}$/)
  const latest = await detail('2.88')
  assert.equal(latest['vcpus'], undefined)
  assert.match(String(latest['uptime']), /^up 0:01/)
  assert.equal((await it.call('GET', `/os-hypervisors/${String(uuid)}`, { ...admin, version: '2.53' })).status, 200)
  assert.equal((await it.call('GET', '/os-hypervisors/99', admin)).status, 404)
  assert.equal((await it.call('GET', '/os-hypervisors')).status, 403)
})

test('hypervisors are paged, found by name, and tell their servers', async (t) => {
  const it = await cloud(t)
  await keepReport(it.db, reportOf('host2'), 'nova', it.clock.now())
  const id = await server(it)
  await settled(it, id)
  const page = await it.call('GET', '/os-hypervisors?limit=1', { ...admin, version: '2.33' })
  assert.equal((at(page, 'hypervisors') as unknown[]).length, 1)
  assert.match(String(at(page, 'hypervisors_links', 0, 'href')), /marker=/)
  const found = await it.call('GET', '/os-hypervisors?hypervisor_hostname_pattern=host1&with_servers=true', {
    ...admin,
    version: '2.53',
  })
  assert.deepEqual(at(found, 'hypervisors', 0, 'servers'), [{ uuid: id, name: 'one' }])
  const empty = (version: string) =>
    it.call('GET', '/os-hypervisors?hypervisor_hostname_pattern=host2&with_servers=true', { ...admin, version })
  assert.equal(at(await empty('2.74'), 'hypervisors', 0, 'servers'), undefined)
  assert.deepEqual(at(await empty('2.75'), 'hypervisors', 0, 'servers'), [])
  assert.equal(
    (await it.call('GET', '/os-hypervisors?hypervisor_hostname_pattern=zzz', { ...admin, version: '2.53' })).status,
    404,
  )
  assert.deepEqual(at(await it.call('GET', '/os-hypervisors/host1/servers', admin), 'hypervisors', 0, 'servers'), [
    { uuid: id, name: 'one' },
  ])
  assert.equal(at(await it.call('GET', '/os-hypervisors/statistics', admin), 'hypervisor_statistics', 'count'), 2)
})

test('services are listed, disabled with a reason, forced down, and deleted when nothing lives there', async (t) => {
  const it = await cloud(t)
  await seen(it.db, 'nova-conductor', 'host1', it.clock.now())
  const list = async (version = '2.53') =>
    at(await it.call('GET', '/os-services', { ...admin, version }), 'services') as Record<string, unknown>[]
  assert.deepEqual(
    (await list('2.1')).map(({ binary, zone }) => [binary, zone]),
    [
      ['nova-conductor', 'internal'],
      ['nova-compute', 'nova'],
    ],
  )
  const reason = await it.call('PUT', '/os-services/disable-log-reason', {
    ...admin,
    json: { host: 'host1', binary: 'nova-compute', disabled_reason: 'repair' },
  })
  assert.deepEqual(at(reason, 'service'), {
    host: 'host1',
    binary: 'nova-compute',
    status: 'disabled',
    disabled_reason: 'repair',
  })
  const compute = (await list()).find(({ binary }) => binary === 'nova-compute')
  assert.deepEqual(
    [compute?.['status'], compute?.['disabled_reason'], compute?.['state']],
    ['disabled', 'repair', 'up'],
  )
  const path = `/os-services/${String(compute?.['id'])}`
  const update = (json: object) => it.call('PUT', path, { ...admin, json, version: '2.53' })
  assert.equal(at(await update({ status: 'enabled' }), 'service', 'disabled_reason'), null)
  assert.equal(at(await update({ forced_down: true }), 'service', 'state'), 'down')
  assert.equal((await update({})).status, 400)
  assert.equal((await update({ status: 'enabled', disabled_reason: 'x' })).status, 400)
  it.pass(120_000)
  assert.equal((await list()).find(({ binary }) => binary === 'nova-conductor')?.['state'], 'down')
  const id = await server(it)
  await settled(it, id)
  assert.equal((await it.call('DELETE', path, { ...admin, version: '2.53' })).status, 409)
  await it.db.updateTable('servers').set({ deleted_at: 1 }).execute()
  assert.equal((await it.call('DELETE', path, { ...admin, version: '2.53' })).status, 204)
  assert.equal((await it.call('DELETE', path, { ...admin, version: '2.53' })).status, 404)
})

test('zones are listed for everybody, with their hosts for administrators', async (t) => {
  const it = await cloud(t)
  assert.deepEqual((await it.call('GET', '/os-availability-zone')).body, {
    availabilityZoneInfo: [{ zoneName: 'nova', zoneState: { available: true }, hosts: null }],
  })
  assert.equal(
    at(
      await it.call('GET', '/os-availability-zone/detail', admin),
      'availabilityZoneInfo',
      0,
      'hosts',
      'host1',
      'nova-compute',
      'available',
    ),
    true,
  )
  assert.equal((await it.call('GET', '/os-availability-zone/detail')).status, 403)
})

test('limits are the project’s, with what it uses', async (t) => {
  const it = await cloud(t)
  await server(it)
  const mine = await it.call('GET', '/limits')
  assert.deepEqual(
    [
      at(mine, 'limits', 'absolute', 'maxTotalInstances'),
      at(mine, 'limits', 'absolute', 'totalInstancesUsed'),
      at(mine, 'limits', 'absolute', 'totalRAMUsed'),
    ],
    [10, 1, 512],
  )
  assert.equal((await it.call('GET', `/limits?tenant_id=${OTHER_PROJECT}`)).status, 403)
  assert.equal(
    at(await it.call('GET', `/limits?tenant_id=${OTHER_PROJECT}`, admin), 'limits', 'absolute', 'totalInstancesUsed'),
    0,
  )
  const files = async (version: string) => {
    const shown = await it.call('GET', '/limits', { version })
    return ['maxPersonality', 'maxPersonalitySize'].map((name) => at(shown, 'limits', 'absolute', name))
  }
  assert.deepEqual(await files('2.56'), [5, 10_240])
  assert.deepEqual(await files('2.57'), [undefined, undefined])
})

test('hypervisors and services go by number until 2.52 and by UUID from 2.53, in markers too', async (t) => {
  const it = await cloud(t)
  await keepReport(it.db, reportOf('host2'), 'nova', it.clock.now())
  const get = (path: string, version: string) => it.call('GET', path, { ...admin, version })
  const uuid = String(at(await get('/os-hypervisors', '2.53'), 'hypervisors', 0, 'id'))
  const status = async (path: string, version: string) => (await get(path, version)).status
  assert.deepEqual(
    [
      await status('/os-hypervisors/1', '2.52'),
      await status(`/os-hypervisors/${uuid}`, '2.52'),
      await status('/os-hypervisors/1', '2.53'),
      await status(`/os-hypervisors/${uuid}`, '2.53'),
      await status('/os-hypervisors/00000000-0000-0000-0000-000000000000', '2.53'),
    ],
    [200, 404, 400, 200, 404],
  )
  for (const [version, marker] of [
    ['2.52', '1'],
    ['2.53', uuid],
  ] as const) {
    const link = String(at(await get('/os-hypervisors?limit=1', version), 'hypervisors_links', 0, 'href'))
    assert.equal(new URL(link).searchParams.get('marker'), marker)
    const next = await get(`/os-hypervisors?limit=1&marker=${marker}`, version)
    assert.equal(at(next, 'hypervisors', 0, 'hypervisor_hostname'), 'host2.example')
  }
  assert.equal(await status(`/os-hypervisors?marker=${uuid}`, '2.52'), 400)
  assert.equal(await status('/os-hypervisors?marker=1', '2.53'), 400)
  const gone = async (id: string, version: string) =>
    (await it.call('DELETE', `/os-services/${id}`, { ...admin, version })).status
  const number = String(at(await get('/os-services', '2.52'), 'services', 0, 'id'))
  assert.deepEqual([await gone(number, '2.53'), await gone('x', '2.52'), await gone(number, '2.52')], [400, 400, 204])
})

test('the uptime of a host that is down is not known', async (t) => {
  const it = await cloud(t)
  const get = (path: string, version: string) => it.call('GET', path, { ...admin, version })
  assert.equal((await get('/os-hypervisors/1/uptime', '2.1')).status, 200)
  const uuid = String(at(await get('/os-hypervisors', '2.53'), 'hypervisors', 0, 'id'))
  it.pass(120_000)
  const down = await get('/os-hypervisors/1/uptime', '2.1')
  assert.deepEqual(
    [down.status, at(down, 'badRequest', 'message')],
    [400, 'Compute service of host1 is unavailable at this time.'],
  )
  assert.equal(at(await get(`/os-hypervisors/${uuid}`, '2.88'), 'hypervisor', 'uptime'), null)
})

test('a service is forgotten with its places in aggregates, but not while a claim is made there', async (t) => {
  const it = await cloud(t)
  const aggregate = await it.call('POST', '/os-aggregates', { ...admin, json: { aggregate: { name: 'a' } } })
  const path = `/os-aggregates/${String(at(aggregate, 'aggregate', 'id'))}`
  await it.call('POST', `${path}/action`, { ...admin, json: { add_host: { host: 'host1' } } })
  await insertAllocation(it.db, 'consumer', 'host1', 'p', { vcpus: 1, memoryMb: 1, diskGb: 1 }, 0)
  const service = `/os-services/${String(at(await it.call('GET', '/os-services', admin), 'services', 0, 'id'))}`
  assert.equal((await it.call('DELETE', service, admin)).status, 409)
  await deleteAllocations(it.db, 'consumer')
  assert.equal((await it.call('DELETE', service, admin)).status, 204)
  assert.deepEqual(at(await it.call('GET', path, admin), 'aggregate', 'hosts'), [])
})

test('services are changed with upstream’s refusals: other daemons, missing fields, evacuations that are not over', async (t) => {
  const it = await cloud(t)
  const put = async (path: string, json: object, version = '2.52') => {
    const answer = await it.call('PUT', `/os-services/${path}`, { as: 'admin', version, json })
    return [answer.status, at(answer, 'badRequest', 'message')]
  }
  const compute = { host: 'host1', binary: 'nova-compute' }
  const other = 'Updating a nova-conductor service is not supported. Only nova-compute services can be updated.'
  assert.deepEqual(await put('disable', { host: 'host1', binary: 'nova-conductor' }), [400, other])
  assert.deepEqual(await put('disable-log-reason', compute), [400, 'Missing disabled reason field'])
  assert.deepEqual(await put('force-down', compute), [400, 'Missing forced_down field'])
  assert.deepEqual(await put('enable', { ...compute, disabled_reason: 'why' }), [200, undefined])
  assert.equal((await put('enable', { ...compute, forced_down: true }, '2.10'))[0], 400)
  const id = String(at(await it.call('GET', '/os-services', { as: 'admin', version: '2.53' }), 'services', 0, 'id'))
  assert.deepEqual(await put(id, { status: 'enabled', disabled_reason: 'why' }, '2.53'), [
    400,
    "Specifying 'disabled_reason' with status 'enabled' is invalid.",
  ])
  assert.equal((await put(id, { disabled_reason: 'why' }, '2.53'))[0], 400)
  const moved = {
    id: newId(),
    serverId: newId(),
    projectId: 'p',
    userId: 'u',
    type: 'evacuation',
    status: 'done',
    sourceHost: 'host1',
    sourceHypervisor: null,
    destHost: 'host2',
    destHypervisor: null,
    destIp: null,
    oldFlavorNumber: null,
    newFlavorNumber: null,
    progress: null,
    createdAt: 1,
    updatedAt: null,
  } as const
  await insertMigration(it.db, moved)
  assert.match(String((await put(id, { forced_down: false }, '2.53'))[1]), /^Unable to force up host host1 as `done`/)
  assert.match(
    String((await put('force-down', { ...compute, forced_down: false }))[1]),
    /^Unable to force up host host1/,
  )
  assert.equal((await put(id, { forced_down: true }, '2.53'))[0], 200)
  await insertMigration(it.db, { ...moved, id: newId(), type: 'migration', status: 'migrating' })
  const gone = await it.call('DELETE', `/os-services/${id}`, { as: 'admin', version: '2.53' })
  assert.deepEqual([gone.status, /in-progress migrations/.test(JSON.stringify(gone.body))], [409, true])
  const unknown = await it.call('GET', `/os-hypervisors/${newId()}`, { as: 'admin', version: '2.53' })
  assert.match(String(at(unknown, 'itemNotFound', 'message')), /^Hypervisor with ID '.*' could not be found\.$/)
})
