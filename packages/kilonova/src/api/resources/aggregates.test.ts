/** Aggregates over HTTP: hosts come and go, and follow the zone that an aggregate names. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from '@kilonova/base/clock.ts'
import { keepReport } from '../../db/hosts.ts'
import { at, cloud, imageOf, reportOf, server, settled } from '../testing/cloud.ts'

const admin = { as: 'admin' } as const

test('a host follows the availability zone of its aggregate, and comes back to the default one', async (t) => {
  const it = await cloud(t)
  const made = await it.call('POST', '/os-aggregates', {
    ...admin,
    json: { aggregate: { name: 'racks', availability_zone: 'east' } },
  })
  assert.equal(made.status, 200)
  assert.deepEqual([at(made, 'aggregate', 'hosts'), at(made, 'aggregate', 'metadata')], [undefined, undefined])
  const path = `/os-aggregates/${at(made, 'aggregate', 'id')}`
  const act = (json: object) => it.call('POST', `${path}/action`, { ...admin, json })
  const zones = async () =>
    (at(await it.call('GET', '/os-availability-zone'), 'availabilityZoneInfo') as { zoneName: string }[]).map(
      ({ zoneName }) => zoneName,
    )
  assert.deepEqual(at(await act({ add_host: { host: 'host1' } }), 'aggregate', 'hosts'), ['host1'])
  assert.deepEqual(await zones(), ['east'])
  assert.equal((await act({ add_host: { host: 'host1' } })).status, 409)
  assert.equal((await act({ add_host: { host: 'nowhere' } })).status, 404)
  assert.equal((await it.call('DELETE', path, admin)).status, 400)
  assert.deepEqual(
    at(await act({ set_metadata: { metadata: { availability_zone: 'west', ssd: 'true' } } }), 'aggregate', 'metadata'),
    { availability_zone: 'west', ssd: 'true' },
  )
  assert.deepEqual(await zones(), ['west'])
  assert.deepEqual(at(await act({ remove_host: { host: 'host1' } }), 'aggregate', 'hosts'), [])
  assert.deepEqual(await zones(), ['nova'])
  assert.equal((await it.call('DELETE', path, admin)).status, 200)
})

test('a host is in one zone at most, and its servers keep it there', async (t) => {
  const it = await cloud(t)
  await keepReport(it.db, reportOf('host2'), 'nova', it.clock.now())
  for (const zone of ['a', 'b'])
    await it.call('POST', '/os-aggregates', { ...admin, json: { aggregate: { name: zone, availability_zone: zone } } })
  const add = (id: number, host: string) =>
    it.call('POST', `/os-aggregates/${id}/action`, { ...admin, json: { add_host: { host } } })
  assert.equal((await add(1, 'host1')).status, 200)
  assert.equal((await add(2, 'host1')).status, 409)
  const image = [...it.images.keys()][0]
  const server = await it.call('POST', '/servers', { json: { server: { name: 's', flavorRef: '1', imageRef: image } } })
  await it.db
    .updateTable('servers')
    .set({ host: 'host2' })
    .where('id', '=', String(at(server, 'server', 'id')))
    .execute()
  assert.equal((await add(2, 'host2')).status, 409)
  assert.deepEqual(
    at(await it.call('GET', '/os-aggregates/2', admin), 'aggregate', 'hosts'),
    [],
    'nothing of it was kept',
  )
})

test('users are refused, and names are taken once', async (t) => {
  const it = await cloud(t)
  assert.equal((await it.call('GET', '/os-aggregates')).status, 403)
  const make = () => it.call('POST', '/os-aggregates', { ...admin, json: { aggregate: { name: 'one' } } })
  assert.equal((await make()).status, 200)
  assert.equal((await make()).status, 409)
  assert.equal(
    at(
      await it.call('PUT', '/os-aggregates/1', { ...admin, json: { aggregate: { name: 'two' } } }),
      'aggregate',
      'name',
    ),
    'two',
  )
  assert.equal((await it.call('GET', '/os-aggregates/9', admin)).status, 404)
  assert.equal((await it.call('GET', '/os-aggregates/-1', admin)).status, 404)
})

test('images are asked for ahead of time on the hosts of an aggregate that are up', async (t) => {
  const it = await cloud(t)
  await keepReport(it.db, reportOf('host2'), 'nova', it.clock.now() - 3600_000)
  const made = await it.call('POST', '/os-aggregates', { ...admin, json: { aggregate: { name: 'a' } } })
  const path = `/os-aggregates/${at(made, 'aggregate', 'id')}`
  const asked: unknown[] = []
  const stop = it.bus.serve('image-caching', async (_method, input) => {
    asked.push(input)
    return null
  })
  const image = [...it.images.keys()][0] ?? ''
  const cache = async (ids: readonly string[], version = '2.81') =>
    (await it.call('POST', `${path}/images`, { ...admin, version, json: { cache: ids.map((id) => ({ id })) } })).status
  assert.equal(await cache([image]), 202)
  assert.deepEqual(asked, [], 'it has no hosts')
  for (const host of ['host1', 'host2'])
    await it.call('POST', `${path}/action`, { ...admin, json: { add_host: { host } } })
  assert.equal(await cache([image]), 202)
  assert.deepEqual(asked, [{ hosts: ['host1'], imageIds: [image] }])
  const queued = imageOf({ status: 'queued' })
  it.images.set(queued.id, queued)
  assert.deepEqual(
    [
      await cache([]),
      await cache([image, image]),
      await cache([newId()]),
      await cache([queued.id]),
      await cache(['x']),
    ],
    [400, 400, 400, 400, 400],
  )
  assert.equal(await cache([image], '2.80'), 404)
  await stop()
  assert.equal(await cache([image]), 503, 'nobody does it')
})

test('servers keep their zone: what would change it is refused, as a conflict or as a bad request, as upstream has it', async (t) => {
  const it = await cloud(t)
  await settled(it, await server(it))
  const make = async (name: string, more: object = {}) =>
    `/os-aggregates/${at(await it.call('POST', '/os-aggregates', { ...admin, json: { aggregate: { name, ...more } } }), 'aggregate', 'id')}`
  const [plain, east] = [await make('plain'), await make('east', { availability_zone: 'east' })]
  const act = (path: string, json: object) => it.call('POST', `${path}/action`, { ...admin, json })
  assert.equal((await act(plain, { add_host: { host: 'host1' } })).status, 200)
  const reason = 'One or more hosts contain instances in this zone.'
  for (const [asked, status, words] of [
    [act(east, { add_host: { host: 'host1' } }), 409, `Cannot add host to aggregate 2. Reason: ${reason}`],
    [
      it.call('PUT', plain, { ...admin, json: { aggregate: { availability_zone: 'west' } } }),
      400,
      `Cannot update aggregate 1. Reason: ${reason}`,
    ],
    [
      act(plain, { set_metadata: { metadata: { availability_zone: 'west' } } }),
      400,
      `Cannot update metadata of aggregate 1. Reason: ${reason}`,
    ],
  ] as const) {
    const answer = await asked
    assert.deepEqual([answer.status, Object.values(answer.body as object)[0].message], [status, words])
  }
})
