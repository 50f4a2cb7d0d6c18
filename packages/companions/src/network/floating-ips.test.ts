/** Floating IPs over HTTP: where they come from, where they lead, and what holds them. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { testNetwork, type Person, type TestNetwork } from '../test-cloud.ts'
import { addresses, block, get, list, make, refusal, remove, update, type Inside, type View } from './test-requests.ts'

let cloud: TestNetwork
let admin: Person
let demo: Person
let other: Person
let outside: Inside
let inside: Inside
let router: View
before(async () => {
  cloud = await testNetwork()
  ;[admin, demo, other] = await Promise.all([cloud.person('admin'), cloud.person('demo'), cloud.person('other')])
  outside = await block(admin, '172.24.4.0/24', { name: 'public', 'router:external': true })
  ;({ inside, router } = await behindRouter(demo, '10.1.0.0/24'))
})
after(() => cloud.close())

async function behindRouter(person: Person, cidr: string): Promise<{ inside: Inside; router: View }> {
  const made = await block(person, cidr)
  const gate = await make(person, 'routers', { external_gateway_info: { network_id: outside.network.id } })
  const { status } = await person.call('PUT', `/v2.0/routers/${gate.id}/add_router_interface`, {
    subnet_id: made.subnet.id,
  })
  assert.equal(status, 200)
  return { inside: made, router: gate }
}
const floating = (fields: object = {}, person = demo) =>
  make(person, 'floatingips', { floating_network_id: outside.network.id, ...fields })
const refused = (fields: object, person = demo) =>
  refusal(person, 'POST', 'floatingips', { floating_network_id: outside.network.id, ...fields })
const port = (fields: object = {}) => make(demo, 'ports', { network_id: inside.network.id, ...fields })
const leads = (fip: View) => [fip['port_id'], fip['fixed_ip_address'], fip['router_id'], fip['status']]

test('a floating IP has Neutron’s fields, leads nowhere at first, and is its project’s', async () => {
  const fip = await floating({ description: 'web', tags: ['x'] })
  const { id, created_at, updated_at, floating_ip_address: address, ...rest } = fip
  assert.match(String(address), /^172\.24\.4\.\d+$/)
  assert.equal(created_at, updated_at)
  assert.deepEqual(rest, {
    project_id: demo.projectId,
    tenant_id: demo.projectId,
    description: 'web',
    revision_number: 1,
    floating_network_id: outside.network.id,
    port_id: null,
    fixed_ip_address: null,
    router_id: null,
    status: 'DOWN',
    dns_domain: '',
    dns_name: '',
    port_details: null,
    tags: ['x'],
  })
  assert.equal(await refusal(other, 'GET', `floatingips/${id}`), '404 FloatingIPNotFound')
  assert.equal(await refusal(other, 'DELETE', `floatingips/${id}`), '404 FloatingIPNotFound')
  for (const query of [`floating_ip_address=${String(address)}`, 'tags=x', 'status=DOWN&description=web', `id=${id}`])
    assert.deepEqual(
      (await list(demo, `floatingips?${query}`)).map((f) => f.id),
      [id],
      query,
    )
  assert.deepEqual(await list(other, 'floatingips'), [])
  assert.deepEqual(await list(demo, 'ports?device_owner=network:floatingip'), [])
  const [holder] = await list(admin, `ports?device_id=${id}&device_owner=network:floatingip&status=N/A`)
  assert.deepEqual(holder && addresses(holder), [address])
  assert.equal(await refusal(admin, 'DELETE', `ports/${holder?.id}`), '409 ServicePortInUse')
  await remove(demo, `floatingips/${id}`)
  assert.equal(await refusal(admin, 'GET', `ports/${holder?.id}`), '404 PortNotFound')
})

test('the address comes from the subnet that is named, or is the one that an admin names', async () => {
  const second = await make(admin, 'subnets', { network_id: outside.network.id, ip_version: 4, cidr: '172.24.5.0/28' })
  assert.match(String((await floating({ subnet_id: second.id }))['floating_ip_address']), /^172\.24\.5\./)
  assert.equal(await refused({ floating_ip_address: '172.24.4.99' }), '403 PolicyNotAuthorized')
  const fip = await floating({ floating_ip_address: '172.24.4.99', project_id: demo.projectId }, admin)
  assert.deepEqual([fip['floating_ip_address'], fip['project_id']], ['172.24.4.99', demo.projectId])
  assert.equal(await refused({ floating_ip_address: '172.24.4.99' }, admin), '409 IpAddressInUse')
  assert.equal(await refused({ floating_ip_address: '172.24.4.1' }, admin), '409 IpAddressInUse')
  assert.equal(await refused({ floating_ip_address: '10.0.0.1' }, admin), '400 InvalidIpForNetwork')
  assert.equal(await refused({ floating_network_id: inside.network.id }), '400 BadRequest')
  assert.equal(await refused({ floating_network_id: inside.network.id }, other), '404 NetworkNotFound')
  const empty = await make(admin, 'networks', { 'router:external': true })
  assert.equal(await refused({ floating_network_id: empty.id }), '400 BadRequest')
  assert.equal(await refused({ colour: 'red' }), '400 HTTPBadRequest')
})

test('it leads to a port, to another one, and nowhere again', async () => {
  const [one, two] = [await port({ name: 'one' }), await port()]
  const fip = await floating({ port_id: one.id })
  const path = `floatingips/${fip.id}`
  assert.deepEqual(leads(fip), [one.id, addresses(one)[0], router.id, 'ACTIVE'])
  assert.deepEqual(fip['port_details'], {
    name: 'one',
    network_id: inside.network.id,
    mac_address: one['mac_address'],
    admin_state_up: true,
    status: 'DOWN',
    device_id: '',
    device_owner: '',
  })
  assert.deepEqual(leads(await update(demo, path, { port_id: two.id })), [
    two.id,
    addresses(two)[0],
    router.id,
    'ACTIVE',
  ])
  assert.deepEqual(leads(await update(demo, path, { description: 'kept' })), [
    two.id,
    addresses(two)[0],
    router.id,
    'ACTIVE',
  ])
  assert.deepEqual(
    (await list(demo, `floatingips?port_id=${two.id}`)).map(({ id }) => id),
    [fip.id],
  )
  assert.deepEqual(
    (await list(demo, `floatingips?fixed_ip_address=${addresses(two)[0]}`)).map(({ id }) => id),
    [fip.id],
  )
  assert.equal(await refused({ port_id: two.id }), '409 FloatingIPPortAlreadyAssociated')
  const known = await list(demo, 'floatingips')
  assert.equal(await refused({ port_id: 'none' }), '404 PortNotFound')
  assert.equal((await list(demo, 'floatingips')).length, known.length, 'a refused one is not kept')
  assert.deepEqual(leads(await update(demo, path, { port_id: null })), [null, null, null, 'DOWN'])
  assert.equal(await refusal(demo, 'PUT', path, { fixed_ip_address: '10.1.0.9' }), '400 BadRequest')
})

test('of a port with several addresses one is named', async () => {
  const many = await port({ fixed_ips: [{ ip_address: '10.1.0.100' }, { ip_address: '10.1.0.101' }] })
  assert.equal(await refused({ port_id: many.id }), '400 BadRequest')
  assert.equal(await refused({ port_id: many.id, fixed_ip_address: '10.1.0.102' }), '400 BadRequest')
  const fip = await floating({ port_id: many.id, fixed_ip_address: '10.1.0.101' })
  assert.equal(fip['fixed_ip_address'], '10.1.0.101')
  await floating({ port_id: many.id, fixed_ip_address: '10.1.0.100' })
  const drop = { fixed_ips: [{ ip_address: '10.1.0.100' }] }
  assert.equal(await refusal(demo, 'PUT', `ports/${many.id}`, drop), '400 BadRequest')
  await update(demo, `floatingips/${fip.id}`, { port_id: null })
  assert.deepEqual(addresses(await update(demo, `ports/${many.id}`, drop)), ['10.1.0.100'])
  const bare = await port({ fixed_ips: [] })
  assert.equal(await refused({ port_id: bare.id }), '400 BadRequest')
})

test('without a router between the two there is no way', async () => {
  const lonely = await block(demo, '10.2.0.0/24')
  const there = await make(demo, 'ports', { network_id: lonely.network.id })
  const { status, body } = await demo.call('POST', '/v2.0/floatingips', {
    floatingip: { floating_network_id: outside.network.id, port_id: there.id },
  })
  assert.equal(status, 404)
  const { NeutronError: told } = body as { NeutronError: { type: string; message: string } }
  assert.equal(told.type, 'ExternalGatewayForFloatingIPNotFound')
  assert.match(
    told.message,
    new RegExp(`^External network ${outside.network.id} is not reachable from subnet ${lonely.subnet.id}`),
  )
})

test('what a floating IP goes over stays', async () => {
  const { inside: own, router: gate } = await behindRouter(demo, '10.3.0.0/24')
  const target = await make(demo, 'ports', { network_id: own.network.id })
  const fip = await floating({ port_id: target.id })
  const cut = await demo.call('PUT', `/v2.0/routers/${gate.id}/remove_router_interface`, { subnet_id: own.subnet.id })
  assert.deepEqual(
    [cut.status, (cut.body as { NeutronError: { type: string } }).NeutronError.type],
    [409, 'RouterInterfaceInUseByFloatingIP'],
  )
  for (const external_gateway_info of [null, {}])
    assert.equal(
      await refusal(demo, 'PUT', `routers/${gate.id}`, { external_gateway_info }),
      '409 RouterExternalGatewayInUseByFloatingIp',
    )
  await remove(demo, `ports/${target.id}`)
  const free = await get(demo, `floatingips/${fip.id}`)
  assert.deepEqual([leads(free), free['revision_number']], [[null, null, null, 'DOWN'], 2])
  await update(demo, `routers/${gate.id}`, { external_gateway_info: null })
})

test('ports and addresses of different projects do not meet', async () => {
  const mine = await port()
  const theirs = await floating({}, other)
  assert.equal(await refusal(other, 'PUT', `floatingips/${theirs.id}`, { port_id: mine.id }), '404 PortNotFound')
  assert.equal(await refusal(demo, 'PUT', `floatingips/${theirs.id}`, { port_id: mine.id }), '404 FloatingIPNotFound')
  assert.equal((await update(admin, `floatingips/${theirs.id}`, { port_id: mine.id }))['port_id'], mine.id)
  assert.equal(await refusal(demo, 'DELETE', `ports/${mine.id}`), '409 FipAssociated')
  await update(other, `floatingips/${theirs.id}`, { port_id: null })
  await remove(demo, `ports/${mine.id}`)
})

test('of many that want the same port at once one gets it; a port that is deleted meanwhile leaves nothing behind', async () => {
  const target = await port()
  const fips = await Promise.all(Array.from({ length: 10 }, () => floating()))
  const wish = (fip: View, to: View) =>
    demo.call('PUT', `/v2.0/floatingips/${fip.id}`, { floatingip: { port_id: to.id } })
  const answers = await Promise.all(fips.map((fip) => wish(fip, target)))
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, ...Array<number>(9).fill(409)],
  )
  for (const fip of fips.slice(0, 5)) {
    const shortly = await port()
    const [gone, tied] = await Promise.all([demo.call('DELETE', `/v2.0/ports/${shortly.id}`), wish(fip, shortly)])
    assert.ok(gone.status === 204 && [200, 404].includes(tied.status), `${gone.status} ${tied.status}`)
    assert.deepEqual((await list(demo, `floatingips?port_id=${shortly.id}`)).length, 0)
  }
})

test('a way that is taken away while somebody takes it is there for both or for none', async () => {
  const { inside: own, router: gate } = await behindRouter(demo, '10.4.0.0/24')
  const target = await make(demo, 'ports', { network_id: own.network.id })
  const fip = await floating()
  const path = `/v2.0/routers/${gate.id}`
  const wire = (verb: string) => demo.call('PUT', `${path}/${verb}_router_interface`, { subnet_id: own.subnet.id })
  const lead = (network_id?: string) =>
    demo.call('PUT', path, { router: { external_gateway_info: network_id === undefined ? null : { network_id } } })
  const ways = [
    { take: () => wire('remove'), give: () => wire('add') },
    { take: () => lead(), give: () => lead(outside.network.id) },
  ]
  for (let round = 0; round < 8; round++) {
    const way = ways[round % 2]
    assert.ok(way)
    const [taken, tied] = await Promise.all([
      way.take(),
      demo.call('PUT', `/v2.0/floatingips/${fip.id}`, { floatingip: { port_id: target.id } }),
    ])
    assert.ok(['200 404', '409 200'].includes(`${taken.status} ${tied.status}`), `${taken.status} ${tied.status}`)
    if (taken.status === 200) assert.equal((await way.give()).status, 200)
    await update(demo, `floatingips/${fip.id}`, { port_id: null })
  }
})

test('fifty race for the addresses that are left', async () => {
  const small = await block(admin, '172.30.0.0/29', { 'router:external': true })
  const answers = await Promise.all(
    Array.from({ length: 50 }, () =>
      demo.call('POST', '/v2.0/floatingips', { floatingip: { floating_network_id: small.network.id } }),
    ),
  )
  assert.deepEqual(
    [...new Set(answers.map(({ status }) => status))].toSorted((a, b) => a - b),
    [201, 409],
  )
  const made = await list(demo, `floatingips?floating_network_id=${small.network.id}`)
  assert.deepEqual([made.length, new Set(made.map((fip) => fip['floating_ip_address'])).size], [5, 5])
})

test('the router that has to know is told', async () => {
  const service = await cloud.person('kilonova')
  let { cursor } = (await service.call('GET', '/v2.0/kilonova/changes')).body as { cursor: string }
  const told = async (): Promise<readonly string[]> => {
    const { body } = await service.call('GET', `/v2.0/kilonova/changes?since=${cursor}`)
    const answer = body as { cursor: string; routers: string[] }
    ;({ cursor } = answer)
    return answer.routers
  }
  const target = await port()
  const fip = await floating({ port_id: target.id })
  assert.deepEqual(await told(), [router.id])
  await update(demo, `floatingips/${fip.id}`, { port_id: null })
  assert.deepEqual(await told(), [router.id])
  await update(demo, `floatingips/${fip.id}`, { port_id: target.id })
  await told()
  await remove(demo, `ports/${target.id}`)
  assert.deepEqual(await told(), [router.id])
  await remove(demo, `floatingips/${fip.id}`)
  assert.deepEqual(await told(), [])
})
