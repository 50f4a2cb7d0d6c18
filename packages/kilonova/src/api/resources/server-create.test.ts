/** Create over HTTP: what is asked for is what the task and the row say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { insertFlavor } from '../../db/flavors.ts'
import { setQuota } from '../../db/quotas.ts'
import { findServer } from '../../db/servers.ts'
import { NovaError } from '../../domain/errors.ts'
import {
  at,
  cloud,
  flavorOf,
  imageOf,
  networkOf,
  OTHER_PROJECT,
  portOf,
  settled,
  type Cloud,
} from '../testing/cloud.ts'

const create = (it: Cloud, more: object, { as = 'member', version = '2.1' } = {}) =>
  it.call('POST', '/servers', {
    as,
    version,
    json: { server: { name: 'one', flavorRef: '1', imageRef: [...it.images.keys()][0], ...more } },
  })

async function made(it: Cloud, answer: Awaited<ReturnType<typeof create>>) {
  assert.equal(answer.status, 202, JSON.stringify(answer.body))
  const server = await findServer(it.db, String(at(answer, 'server', 'id')))
  assert.ok(server)
  const task = await it.db.selectFrom('tasks').selectAll().where('server_id', '=', server.id).executeTakeFirstOrThrow()
  return { server, body: JSON.parse(task.body) as { onlyHost: string | null; securityGroupIds: string[] }, task }
}

test('the answer names the server, and the task is the caller’s under the request’s id', async (t) => {
  const it = await cloud(t)
  const answer = await create(it, {})
  const { server, task } = await made(it, answer)
  assert.equal(answer.headers.location, `${it.url}/v2.1/servers/${server.id}`)
  assert.deepEqual(Object.keys(at(answer, 'server') as object).toSorted(), [
    'OS-DCF:diskConfig',
    'adminPass',
    'id',
    'links',
    'security_groups',
  ])
  assert.deepEqual(
    [task.request_id, task.user_id, task.action],
    [answer.headers['x-compute-request-id'], 'alice', 'create'],
  )
})

test('without networks the only one is taken; two are ambiguous; none is no network before 2.37', async (t) => {
  const it = await cloud(t)
  const [first] = [...it.networks.keys()]
  assert.deepEqual((await made(it, await create(it, {}))).server.requestedNics, [{ networkId: first }])
  assert.deepEqual(
    (await made(it, await create(it, { networks: 'none' }, { version: '2.37' }))).server.requestedNics,
    [],
  )
  assert.equal((await create(it, {}, { version: '2.37' })).status, 400, 'from 2.37 networks must be named')
  const second = networkOf()
  it.networks.set(second.id, second)
  assert.equal((await create(it, { networks: 'auto' }, { version: '2.37' })).status, 409)
  it.networks.clear()
  assert.deepEqual((await made(it, await create(it, {}))).server.requestedNics, [])
  assert.equal((await create(it, { networks: 'auto' }, { version: '2.37' })).status, 400)
})

test('ports must be there, free and addressed; networks must have a subnet', async (t) => {
  const it = await cloud(t)
  const [free, taken, bare] = [portOf(), portOf({ deviceId: 'x' }), portOf({ fixedIps: [] })]
  for (const port of [free, taken, bare]) it.ports.set(port.id, port)
  const empty = networkOf({ subnets: [] })
  it.networks.set(empty.id, empty)
  const status = async (networks: object[], more = {}) => (await create(it, { networks, ...more })).status
  assert.deepEqual((await made(it, await create(it, { networks: [{ port: free.id }] }))).server.requestedNics, [
    { portId: free.id, networkId: free.networkId },
  ])
  assert.equal(await status([{ port: taken.id }]), 409)
  assert.equal(await status([{ port: bare.id }]), 400)
  assert.equal(await status([{ port: free.id, fixed_ip: '10.0.0.9' }]), 400)
  assert.equal(await status([{ port: free.id }], { min_count: 2 }), 400)
  assert.equal(await status([{ uuid: empty.id }]), 400)
  assert.equal(await status([{}]), 400)
})

test('an administrator may name a host, a user a zone', async (t) => {
  const it = await cloud(t)
  assert.deepEqual((await made(it, await create(it, { availability_zone: 'nova' }))).server.availabilityZone, 'nova')
  assert.equal(
    (await made(it, await create(it, { availability_zone: 'nova:host1' }, { as: 'admin' }))).body.onlyHost,
    'host1',
  )
  assert.equal(
    (await made(it, await create(it, { availability_zone: 'nova::host1.example' }, { as: 'admin' }))).body.onlyHost,
    'host1',
  )
  assert.equal(
    (await made(it, await create(it, { host: 'host1', networks: 'none' }, { as: 'admin', version: '2.74' }))).body
      .onlyHost,
    'host1',
  )
  assert.equal((await create(it, { availability_zone: 'nova:nowhere' }, { as: 'admin' })).status, 400)
  assert.equal((await create(it, { host: 'host1', networks: 'none' }, { version: '2.74' })).status, 403)
})

test('the zone that was asked for stays pinned, and hints are shown', async (t) => {
  const it = await cloud(t)
  const { server } = await made(it, await create(it, { availability_zone: 'nova' }))
  await settled(it, server.id)
  const show = async (id: string) =>
    at(await it.call('GET', `/servers/${id}`, { version: '2.100' }), 'server') as Record<string, unknown>
  assert.deepEqual(
    [(await show(server.id))['pinned_availability_zone'], (await show(server.id))['scheduler_hints']],
    ['nova', {}],
  )
  const hinted = await it.call('POST', '/servers', {
    json: {
      server: { name: 'two', flavorRef: '1', imageRef: [...it.images.keys()][0] },
      'os:scheduler_hints': { same_host: [server.id], custom: 'y' },
    },
  })
  const other = await show(String(at(hinted, 'server', 'id')))
  assert.deepEqual(
    [other['pinned_availability_zone'], other['scheduler_hints']],
    [null, { same_host: [server.id], custom: 'y' }],
  )
})

test('hints that Nova knows are checked, unknown ones are not', async (t) => {
  const it = await cloud(t)
  const status = async (hints: object) =>
    (
      await it.call('POST', '/servers', {
        json: {
          server: { name: 'x', flavorRef: '1', imageRef: [...it.images.keys()][0] },
          'os:scheduler_hints': hints,
        },
      })
    ).status
  for (const wrong of [
    { group: 'g' },
    { same_host: ['x'] },
    { different_host: 'x' },
    { build_near_host_ip: 'near' },
    { cidr: '24' },
    { query: 5 },
    { group: '00000000-0000-0000-0000-000000000000' },
  ])
    assert.equal(await status(wrong), 400, JSON.stringify(wrong))
  assert.equal(await status({ build_near_host_ip: '192.0.2.7', cidr: '/24', target_cell: 'c', mine: { a: [1] } }), 202)
})

test('several are numbered, one is not, and none takes a host name that was given once', async (t) => {
  const it = await cloud(t)
  const names = async (more: object, version = '2.1') => {
    const answer = await create(it, { name: 'web', ...more }, { version })
    assert.equal(answer.status, 202, JSON.stringify(answer.body))
    const made = await findServer(it.db, String(at(answer, 'server', 'id')))
    const rows = await it.db
      .selectFrom('servers')
      .select(['name', 'hostname', 'launch_index'])
      .where('reservation_id', '=', made?.reservationId ?? '')
      .orderBy('launch_index')
      .execute()
    return rows.map(({ name, hostname, launch_index: index }) => [name, hostname, index])
  }
  assert.deepEqual(await names({ min_count: '2' }), [
    ['web-1', 'web-1', 0],
    ['web-2', 'web-2', 1],
  ])
  const { project_id: project } = await it.db.selectFrom('servers').select('project_id').executeTakeFirstOrThrow()
  await setQuota(it.db, project, 'instances', 3)
  assert.deepEqual(await names({ max_count: 4 }), [['web', 'web', 0]], 'the quota leaves room for one')
  const hostname = { hostname: 'web', max_count: 2, networks: 'none' }
  assert.match(
    JSON.stringify((await create(it, hostname, { version: '2.90' })).body),
    /Unable to allocate a single hostname to multiple instances/,
  )
})

test('key, user data, security groups and config drive are kept', async (t) => {
  const it = await cloud(t)
  it.securityGroups.set('web', 'g1')
  await it.call('POST', '/os-keypairs', { json: { keypair: { name: 'k' } } })
  const { server, body } = await made(
    it,
    await create(it, {
      key_name: 'k',
      user_data: 'aGk=',
      security_groups: [{ name: 'web' }],
      config_drive: 'true',
      accessIPv4: '192.0.2.1',
    }),
  )
  assert.match(String(server.publicKey), /^ssh-rsa /)
  assert.deepEqual(
    [server.keyName, server.userData, server.configDrive, server.accessIpV4, server.securityGroups],
    ['k', 'aGk=', true, '192.0.2.1', ['web']],
  )
  assert.deepEqual(body.securityGroupIds, ['g1'])
})

test('the one local disk that clients write down is accepted, volumes are not', async (t) => {
  const it = await cloud(t)
  const [image] = [...it.images.keys()]
  const disk = {
    uuid: image,
    source_type: 'image',
    destination_type: 'local',
    boot_index: 0,
    delete_on_termination: true,
  }
  assert.equal((await create(it, { block_device_mapping_v2: [disk] })).status, 202)
  const why = async (more: object) => JSON.stringify((await create(it, more)).body)
  assert.match(await why({ imageRef: '', block_device_mapping_v2: [disk] }), /Mapping image to local is not supported/)
  assert.match(await why({ block_device_mapping_v2: [{ ...disk, boot_index: 1 }] }), /Mapping image to local/)
  assert.match(await why({ block_device_mapping_v2: [{ ...disk, uuid: 'x' }] }), /Boot sequence/)
  assert.match(await why({ block_device_mapping_v2: [{ ...disk, colour: 'x' }] }), /'colour' was unexpected/)
  assert.match(
    await why({ block_device_mapping_v2: [disk], block_device_mapping: [{ device_name: 'vdb' }] }),
    /different block_device_mapping syntaxes/,
  )
  assert.match(
    JSON.stringify(
      (await create(it, { networks: 'none', trusted_image_certificates: ['c'] }, { version: '2.63' })).body,
    ),
    /trusted_image_certificates are not supported/,
  )
  const volume = await create(it, { block_device_mapping_v2: [{ ...disk, destination_type: 'volume' }] })
  assert.deepEqual([volume.status, /local disk/.test(JSON.stringify(volume.body))], [400, true])
})

test('a flavor without a disk takes any image, a private one only its projects', async (t) => {
  const it = await cloud(t)
  const large = imageOf({ virtualSizeBytes: 50 * 1024 ** 3 })
  it.images.set(large.id, large)
  await insertFlavor(it.db, flavorOf({ id: '0', name: 'imaged', rootGb: 0 }), 0)
  await insertFlavor(it.db, flavorOf({ id: 'p', name: 'private', isPublic: false }), 0)
  assert.equal((await create(it, { imageRef: large.id })).status, 400, 'its virtual size counts, not its file’s')
  assert.equal((await create(it, { imageRef: large.id, flavorRef: '0' })).status, 202)
  assert.equal((await create(it, { flavorRef: 'p' })).status, 400)
  await it.call('POST', '/flavors/p/action', { as: 'admin', json: { addTenantAccess: { tenant: OTHER_PROJECT } } })
  assert.equal((await create(it, { flavorRef: 'p' }, { as: 'other' })).status, 202)
})

test('as many as the quota allows are made when fewer would do', async (t) => {
  const it = await cloud(t, { quota: { instances: 3, cores: -1, ram: -1 } })
  const answer = await create(it, { min_count: 1, max_count: 9, return_reservation_id: true })
  assert.equal(answer.status, 202)
  assert.match(String(at(answer, 'reservation_id')), /^r-/)
  assert.equal(
    (
      at(
        await it.call('GET', `/servers?reservation_id=${String(at(answer, 'reservation_id'))}`),
        'servers',
      ) as unknown[]
    ).length,
    3,
  )
  assert.equal((await create(it, {})).status, 403)
})

test('the network service out of reach is a 503 that says so, and nothing is made', async (t) => {
  const it = await cloud(t)
  it.networks.get = () => {
    throw new NovaError('ServiceUnavailable', { service: 'network' })
  }
  const answer = await create(it, { networks: [{ uuid: [...it.networks.keys()][0] }] })
  assert.deepEqual([answer.status, at(answer, 'serviceUnavailable', 'code')], [503, 503])
  assert.deepEqual(at(await it.call('GET', '/servers'), 'servers'), [])
})

test('an external network is for administrators, and whoever an operator says; networks may be closed to all', async (t) => {
  const external = networkOf({ name: 'public', shared: false, external: true })
  const it = await cloud(t)
  it.networks.set(external.id, external)
  const refused = await create(it, { networks: [{ uuid: external.id }] })
  assert.deepEqual(
    [refused.status, at(refused, 'forbidden', 'message')],
    [403, `It is not allowed to create an interface on external network ${external.id}`],
  )
  const open = await cloud(t, {}, { 'network:attach_external_network': 'role:member' })
  open.networks.set(external.id, external)
  assert.equal((await create(open, { networks: [{ uuid: external.id }] })).status, 202)
  const closed = await cloud(t, {}, { 'os_compute_api:servers:create:attach_network': '!' })
  assert.equal((await create(closed, { networks: [{ uuid: [...closed.networks.keys()][0] }] })).status, 403)
  assert.equal((await create(closed, { networks: 'auto' }, { version: '2.37' })).status, 403)
  assert.equal((await create(closed, { networks: 'none' }, { version: '2.37' })).status, 202)
  assert.equal((await create(closed, {})).status, 202)
})

test('tags of interfaces are taken at 2.32 and from 2.42, host names with a domain from 2.94', async (t) => {
  const it = await cloud(t)
  const [network] = [...it.networks.keys()]
  const networks = [{ uuid: network, tag: 'nic' }]
  const status = async (version: string, more: object) => (await create(it, more, { version })).status
  assert.deepEqual(
    [
      await status('2.31', { networks }),
      await status('2.32', { networks }),
      await status('2.37', { networks }),
      await status('2.42', { networks }),
      await status('2.89', { networks, hostname: 'web' }),
      await status('2.90', { networks, hostname: 'web' }),
      await status('2.90', { networks, hostname: 'web.example.org' }),
      await status('2.94', { networks, hostname: 'web.example.org' }),
    ],
    [400, 202, 400, 202, 400, 202, 400, 202],
  )
  const { server } = await made(it, await create(it, { networks }, { version: '2.42' }))
  assert.deepEqual(server.requestedNics, [{ networkId: network, tag: 'nic' }])
  const port = portOf()
  it.ports.set(port.id, port)
  assert.equal(await status('2.42', { networks: [{ port: port.id }, { port: port.id }] }), 400)
})

test('a server that was named before there were descriptions has its name there', async (t) => {
  const it = await cloud(t)
  assert.equal((await made(it, await create(it, {}))).server.description, 'one')
  assert.equal((await made(it, await create(it, {}, { version: '2.19' }))).server.description, null)
})
