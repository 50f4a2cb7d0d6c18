/** Routers over HTTP: interfaces, gateways, routes. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { testNetwork, type Person, type TestNetwork } from '../test-cloud.ts'
import { addresses, block, get, list, make, refusal, remove, update, type Inside, type View } from './test-requests.ts'

let cloud: TestNetwork
let admin: Person
let demo: Person
let other: Person
let outside: Inside
before(async () => {
  cloud = await testNetwork()
  ;[admin, demo, other] = await Promise.all([cloud.person('admin'), cloud.person('demo'), cloud.person('other')])
  outside = await block(admin, '172.24.4.0/24', { name: 'public', 'router:external': true })
})
after(() => cloud.close())

const wire = async (person: Person, verb: 'add' | 'remove', router: View, fields: object): Promise<View> => {
  const { status, body } = await person.call('PUT', `/v2.0/routers/${router.id}/${verb}_router_interface`, fields)
  assert.equal(status, 200, JSON.stringify(body))
  return body as View
}
const unwired = async (person: Person, verb: 'add' | 'remove', router: View, fields: object): Promise<string> => {
  const { status, body } = await person.call('PUT', `/v2.0/routers/${router.id}/${verb}_router_interface`, fields)
  return `${status} ${(body as { NeutronError: { type: string } }).NeutronError.type}`
}
const gateway = (router: View) =>
  router['external_gateway_info'] as {
    network_id: string
    enable_snat: boolean
    external_fixed_ips: { subnet_id: string; ip_address: string }[]
  } | null

test('a router has Neutron’s fields, is its project’s, and is found by them', async () => {
  const router = await make(demo, 'routers', { name: 'plain', tags: ['x'] })
  const { id, created_at, updated_at, ...rest } = router
  assert.deepEqual(rest, {
    name: 'plain',
    project_id: demo.projectId,
    tenant_id: demo.projectId,
    description: '',
    admin_state_up: true,
    status: 'ACTIVE',
    external_gateway_info: null,
    routes: [],
    availability_zone_hints: [],
    availability_zones: ['nova'],
    revision_number: 1,
    tags: ['x'],
  })
  assert.deepEqual([typeof id, created_at], ['string', updated_at])
  assert.equal((await get(admin, `routers/${id}`))['ha'], false)
  assert.equal(await refusal(other, 'GET', `routers/${id}`), '404 RouterNotFound')
  assert.equal(await refusal(other, 'PUT', `routers/${id}`, { name: 'mine' }), '404 RouterNotFound')
  assert.equal(await refusal(other, 'DELETE', `routers/${id}`), '404 RouterNotFound')
  assert.deepEqual(
    (await list(demo, 'routers?name=plain&status=ACTIVE&fields=id')).map((r) => r.id),
    [id],
  )
  assert.deepEqual(await list(other, 'routers'), [])
  const renamed = await update(demo, `routers/${id}`, { name: 'other', admin_state_up: false })
  assert.deepEqual([renamed['name'], renamed['admin_state_up'], renamed['revision_number']], ['other', false, 2])
  const stale = await demo.call(
    'PUT',
    `/v2.0/routers/${id}`,
    { router: { name: 'x' } },
    { 'if-match': 'revision_number=1' },
  )
  assert.equal(stale.status, 412)
  assert.equal((await get(demo, `routers/${id}`))['name'], 'other')
  await remove(demo, `routers/${id}`)
})

test('distributed and highly available routers are not offered, and only an admin says that they are not wanted', async () => {
  assert.equal(await refusal(demo, 'POST', 'routers', { ha: false }), '403 PolicyNotAuthorized')
  assert.equal(await refusal(admin, 'POST', 'routers', { distributed: true }), '400 InvalidInput')
  assert.equal((await make(admin, 'routers', { ha: false, distributed: false }))['distributed'], false)
  const reader = await cloud.person('reader')
  assert.equal((await refusal(reader, 'POST', 'routers', {})).slice(0, 3), '403')
})

test('an interface has the subnet’s gateway address, and goes as it came', async () => {
  const router = await make(demo, 'routers', {})
  const { network, subnet } = await block(demo, '10.1.0.0/24')
  const added = await wire(demo, 'add', router, { subnet_id: subnet.id })
  assert.deepEqual(
    { ...added, port_id: '' },
    {
      id: router.id,
      project_id: demo.projectId,
      tenant_id: demo.projectId,
      port_id: '',
      network_id: network.id,
      subnet_id: subnet.id,
      subnet_ids: [subnet.id],
    },
  )
  const port = await get(demo, `ports/${String(added['port_id'])}`)
  assert.deepEqual(
    [addresses(port), port['device_id'], port['device_owner'], port['status'], port['security_groups']],
    [['10.1.0.1'], router.id, 'network:router_interface', 'ACTIVE', []],
  )
  assert.equal(await refusal(demo, 'DELETE', `ports/${port.id}`), '409 ServicePortInUse')
  assert.equal(await refusal(demo, 'PUT', `ports/${port.id}`, { device_id: '' }), '409 ServicePortInUse')
  assert.equal(await refusal(demo, 'DELETE', `routers/${router.id}`), '409 RouterInUse')
  assert.equal(await refusal(demo, 'DELETE', `subnets/${subnet.id}`), '409 SubnetInUse')
  assert.equal(await refusal(demo, 'DELETE', `networks/${network.id}`), '409 NetworkInUse')
  assert.equal(await unwired(demo, 'add', router, { subnet_id: subnet.id }), '400 BadRequest')
  assert.deepEqual((await wire(demo, 'remove', router, { subnet_id: subnet.id }))['port_id'], port.id)
  assert.equal(await refusal(demo, 'GET', `ports/${port.id}`), '404 PortNotFound')
  assert.equal(await unwired(demo, 'remove', router, { subnet_id: subnet.id }), '404 RouterInterfaceNotFoundForSubnet')
  await remove(demo, `routers/${router.id}`)
  await remove(demo, `networks/${network.id}`)
})

test('a port of the user’s becomes an interface, if it is free and addressed', async () => {
  const [router, second] = [await make(demo, 'routers', {}), await make(demo, 'routers', {})]
  const { network, subnet } = await block(demo, '10.2.0.0/24')
  const port = await make(demo, 'ports', { network_id: network.id, fixed_ips: [{ ip_address: '10.2.0.77' }] })
  const bare = await make(demo, 'ports', { network_id: network.id, fixed_ips: [] })
  assert.deepEqual((await wire(demo, 'add', router, { port_id: port.id }))['subnet_ids'], [subnet.id])
  assert.equal(await unwired(demo, 'add', second, { port_id: port.id }), '409 PortInUse')
  assert.equal(await unwired(demo, 'add', router, { port_id: bare.id }), '400 BadRequest')
  assert.equal(await unwired(demo, 'add', router, { port_id: port.id, subnet_id: subnet.id }), '400 BadRequest')
  assert.equal(await unwired(demo, 'add', router, {}), '400 BadRequest')
  assert.equal(await unwired(demo, 'add', router, { port_id: 'none' }), '404 PortNotFound')
  assert.equal(await unwired(other, 'add', router, { subnet_id: subnet.id }), '404 RouterNotFound')
  const elsewhere = await make(other, 'routers', {})
  assert.equal(await unwired(other, 'add', elsewhere, { subnet_id: subnet.id }), '404 SubnetNotFound')
  assert.equal(await unwired(demo, 'remove', router, { port_id: bare.id }), '404 RouterInterfaceNotFound')
  assert.equal(
    await unwired(demo, 'remove', router, { port_id: port.id, subnet_id: outside.subnet.id }),
    '400 SubnetMismatchForPort',
  )
  await wire(demo, 'remove', router, { port_id: port.id })
  assert.equal(await refusal(demo, 'GET', `ports/${port.id}`), '404 PortNotFound')
})

test('a port may have the gateway’s address on a network of its own project, and there alone', async () => {
  const router = await make(demo, 'routers', {})
  const own = await block(demo, '10.8.0.0/24')
  const gate = { fixed_ips: [{ ip_address: '10.8.0.1' }] }
  const port = await make(demo, 'ports', { network_id: own.network.id, ...gate })
  await wire(demo, 'add', router, { port_id: port.id })
  const shared = await block(admin, '10.8.0.0/24', { shared: true })
  const service = await cloud.person('kilonova')
  assert.equal(
    await refusal(service, 'POST', 'ports', { network_id: shared.network.id, project_id: demo.projectId, ...gate }),
    '409 IpAddressInUse',
  )
})

test('nobody writes a router’s name on a port', async () => {
  const router = await make(demo, 'routers', {})
  const { network } = await block(demo, '10.2.0.0/24')
  for (const device_owner of ['network:router_interface', 'network:router_gateway', 'network:floatingip'])
    for (const person of [demo, admin])
      assert.equal(
        await refusal(person, 'POST', 'ports', { network_id: network.id, device_id: router.id, device_owner }),
        '400 InvalidInput',
      )
  const port = await make(demo, 'ports', { network_id: network.id, device_id: router.id })
  assert.deepEqual(await list(demo, `ports?device_id=${router.id}&device_owner=network:router_interface`), [])
  await remove(demo, `ports/${port.id}`)
})

test('blocks of one router do not overlap, also when they come at once', async () => {
  const router = await make(demo, 'routers', { external_gateway_info: { network_id: outside.network.id } })
  const blocks = await Promise.all(
    ['10.3.0.0/16', '10.3.5.0/24', '10.3.5.0/24', '10.3.0.0/17', '172.24.0.0/16'].map((cidr) => block(demo, cidr)),
  )
  const answers = await Promise.all(
    blocks.map(({ subnet }) =>
      demo.call('PUT', `/v2.0/routers/${router.id}/add_router_interface`, { subnet_id: subnet.id }),
    ),
  )
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, 400, 400, 400, 400],
  )
  assert.equal((await list(demo, `ports?device_id=${router.id}`)).length, 1)
  assert.equal(answers.at(-1)?.status, 400, 'the gateway’s network counts, too')
})

test('an interface on a shared network of somebody else needs a port of one’s own', async () => {
  const { network, subnet } = await block(admin, '10.4.0.0/24', { shared: true })
  const router = await make(demo, 'routers', {})
  assert.equal(await unwired(demo, 'add', router, { subnet_id: subnet.id }), '400 BadRequest')
  const port = await make(demo, 'ports', { network_id: network.id })
  await wire(demo, 'add', router, { port_id: port.id })
  await wire(demo, 'remove', router, { subnet_id: subnet.id })
})

test('all IPv6 prefixes of a network share one port', async () => {
  const router = await make(demo, 'routers', {})
  const network = await make(demo, 'networks', {})
  const subnetOf = (fields: object) => make(demo, 'subnets', { network_id: network.id, ...fields })
  const slaac = { ip_version: 6, ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' }
  const [four, one, two] = [
    await subnetOf({ ip_version: 4, cidr: '10.5.0.0/24' }),
    await subnetOf({ ...slaac, cidr: 'fd05:0:0:1::/64' }),
    await subnetOf({ ...slaac, cidr: 'fd05:0:0:2::/64' }),
  ]
  const ports = new Map<string, unknown>()
  for (const { id } of [four, one, two]) ports.set(id, (await wire(demo, 'add', router, { subnet_id: id }))['port_id'])
  assert.notEqual(ports.get(four.id), ports.get(one.id))
  assert.equal(ports.get(one.id), ports.get(two.id))
  const port = String(ports.get(one.id))
  assert.deepEqual(addresses(await get(demo, `ports/${port}`)), ['fd05:0:0:1::1', 'fd05:0:0:2::1'])
  await wire(demo, 'remove', router, { subnet_id: one.id })
  assert.deepEqual(addresses(await get(demo, `ports/${port}`)), ['fd05:0:0:2::1'])
  await wire(demo, 'remove', router, { port_id: port })
  const unannounced = await subnetOf({ ip_version: 6, cidr: 'fd05:0:0:3::/64', ipv6_address_mode: 'slaac' })
  assert.equal(await unwired(demo, 'add', router, { subnet_id: unannounced.id }), '400 BadRequest')
})

test('a gateway is set, moved and cleared; its port is the admins’ to see', async () => {
  const router = await make(demo, 'routers', { external_gateway_info: { network_id: outside.network.id } })
  const info = gateway(router)
  assert.deepEqual(
    [info?.network_id, info?.enable_snat, info?.external_fixed_ips.map((ip) => ip.subnet_id)],
    [outside.network.id, true, [outside.subnet.id]],
  )
  assert.match(info?.external_fixed_ips[0]?.ip_address ?? '', /^172\.24\.4\./)
  assert.deepEqual(await list(demo, `ports?device_id=${router.id}`), [])
  const [port] = await list(admin, `ports?device_id=${router.id}&device_owner=network:router_gateway&status=ACTIVE`)
  assert.deepEqual([port?.['project_id'], port?.['security_groups']], ['', []])
  assert.equal(await refusal(admin, 'DELETE', `ports/${port?.id}`), '409 ServicePortInUse')
  assert.equal(await refusal(admin, 'DELETE', `networks/${outside.network.id}`), '409 NetworkInUse')
  const second = await block(admin, '172.25.0.0/24', { 'router:external': true })
  const moved = await update(demo, `routers/${router.id}`, { external_gateway_info: { network_id: second.network.id } })
  assert.equal(gateway(moved)?.network_id, second.network.id)
  assert.equal((await list(admin, `ports?device_id=${router.id}`)).length, 1)
  for (const none of [{}, null]) {
    await update(demo, `routers/${router.id}`, { external_gateway_info: { network_id: outside.network.id } })
    assert.equal(gateway(await update(demo, `routers/${router.id}`, { external_gateway_info: none })), null)
  }
  assert.deepEqual(await list(admin, `ports?device_id=${router.id}`), [])
})

test('where a gateway may lead, and who chooses its address', async () => {
  const inside = await block(demo, '10.6.0.0/24')
  const known = await list(admin, 'routers')
  const ask = (person: Person, info: object) => refusal(person, 'POST', 'routers', { external_gateway_info: info })
  const network_id = outside.network.id
  assert.equal(await ask(demo, { network_id: inside.network.id }), '400 BadRequest')
  assert.equal(await ask(other, { network_id: inside.network.id }), '404 NetworkNotFound')
  assert.equal(await ask(demo, { network_id, enable_snat: false }), '403 PolicyNotAuthorized')
  assert.equal(await ask(demo, { network_id, external_fixed_ips: [] }), '403 PolicyNotAuthorized')
  assert.equal(await ask(admin, { network_id, external_fixed_ips: [{ ip_address: '172.24.4.1' }] }), '400 BadRequest')
  assert.equal(
    await ask(admin, { network_id, external_fixed_ips: [{ ip_address: '10.0.0.1' }] }),
    '400 InvalidIpForNetwork',
  )
  const router = await make(admin, 'routers', {
    external_gateway_info: { network_id, enable_snat: false, external_fixed_ips: [{ ip_address: '172.24.4.200' }] },
  })
  assert.deepEqual(gateway(router), {
    network_id,
    enable_snat: false,
    external_fixed_ips: [{ subnet_id: outside.subnet.id, ip_address: '172.24.4.200' }],
  })
  const changed = await update(admin, `routers/${router.id}`, {
    external_gateway_info: { network_id, external_fixed_ips: [{ ip_address: '172.24.4.201' }] },
  })
  assert.deepEqual(
    [gateway(changed)?.enable_snat, gateway(changed)?.external_fixed_ips.map((ip) => ip.ip_address)],
    [true, ['172.24.4.201']],
  )
  assert.equal((await list(admin, 'routers')).length, known.length + 1, 'refused ones are not kept')
  await remove(admin, `routers/${router.id}`)
})

test('extra routes go over what the router reaches, and keep their interface', async () => {
  const router = await make(demo, 'routers', {})
  const { subnet } = await block(demo, '10.7.0.0/24')
  await wire(demo, 'add', router, { subnet_id: subnet.id })
  const path = `routers/${router.id}`
  const route = { destination: '192.168.5.9/16', nexthop: '10.7.0.9' }
  const kept = { ...route, destination: '192.168.0.0/16' }
  for (const wrong of [
    { ...route, nexthop: '10.8.0.1' },
    { ...route, nexthop: '10.7.0.1' },
  ])
    assert.equal(await refusal(demo, 'PUT', path, { routes: [wrong] }), '400 InvalidRoutes')
  assert.equal(await refusal(demo, 'PUT', path, { routes: [{ ...route, destination: 'x' }] }), '400 InvalidInput')
  assert.deepEqual((await update(demo, path, { routes: [route, kept] }))['routes'], [kept])
  const second = { destination: '192.0.2.0/24', nexthop: '10.7.0.10' }
  const more = await update(demo, `${path}/add_extraroutes`, { routes: [second, kept] })
  assert.deepEqual(more['routes'], [kept, second])
  assert.equal(await unwired(demo, 'remove', router, { subnet_id: subnet.id }), '409 RouterInterfaceInUseByRoute')
  assert.deepEqual((await update(demo, `${path}/remove_extraroutes`, { routes: [route] }))['routes'], [second])
  const many = Array.from({ length: 31 }, (_, index) => ({ destination: `192.0.${index}.0/24`, nexthop: '10.7.0.9' }))
  assert.equal(await refusal(demo, 'PUT', path, { routes: many }), '400 RoutesExhausted')
  assert.deepEqual((await update(demo, path, { routes: [] }))['routes'], [])
  await wire(demo, 'remove', router, { subnet_id: subnet.id })
})

test('tags, and the feed of changes', async () => {
  const service = await cloud.person('kilonova')
  const router = await make(demo, 'routers', {})
  assert.equal((await demo.call('PUT', `/v2.0/routers/${router.id}/tags/edge`)).status, 201)
  assert.deepEqual(
    (await list(demo, 'routers?tags=edge')).map(({ id }) => id),
    [router.id],
  )
  let { cursor } = (await service.call('GET', '/v2.0/kilonova/changes')).body as { cursor: string }
  const told = async (): Promise<readonly string[]> => {
    const { body } = await service.call('GET', `/v2.0/kilonova/changes?since=${cursor}`)
    const answer = body as { cursor: string; routers: string[] }
    ;({ cursor } = answer)
    return answer.routers
  }
  await update(demo, `routers/${router.id}`, { external_gateway_info: { network_id: outside.network.id } })
  assert.deepEqual(await told(), [router.id])
  const { network, subnet } = await block(demo, '10.9.0.0/24')
  assert.deepEqual(await told(), [])
  await wire(demo, 'add', router, { subnet_id: subnet.id })
  assert.deepEqual(await told(), [router.id])
  await update(demo, `networks/${network.id}`, { mtu: 1400 })
  assert.deepEqual(await told(), [router.id])
  await wire(demo, 'remove', router, { subnet_id: subnet.id })
  await remove(demo, `routers/${router.id}`)
  assert.deepEqual(await told(), [router.id])
})
