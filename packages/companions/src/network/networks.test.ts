/** Networks and subnets over HTTP. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { testNetwork, type Person, type TestNetwork } from '../test-cloud.ts'

let cloud: TestNetwork
let admin: Person
let demo: Person
let other: Person
before(async () => {
  cloud = await testNetwork()
  ;[admin, demo, other] = await Promise.all([cloud.person('admin'), cloud.person('demo'), cloud.person('other')])
})
after(() => cloud.close())

type View = Readonly<Record<string, unknown>> & { readonly id: string }

async function make(person: Person, noun: 'network' | 'subnet' | 'port', fields: object): Promise<View> {
  const { status, body } = await person.call('POST', `/v2.0/${noun}s`, { [noun]: fields })
  assert.equal(status, 201, JSON.stringify(body))
  return (body as Record<string, View>)[noun] as View
}
const refusal = (body: unknown) => (body as { NeutronError: { type: string; message: string } }).NeutronError
const list = async (person: Person, path: string): Promise<readonly View[]> => {
  const { status, body } = await person.call('GET', `/v2.0/${path}`)
  assert.equal(status, 200, JSON.stringify(body))
  return Object.values(body as Record<string, View[]>)[0] ?? []
}

test('a network has Neutron’s fields and the default MTU', async () => {
  const network = await make(demo, 'network', { name: 'plain', tags: ['x'] })
  assert.deepEqual(
    [network['mtu'], network['shared'], network['status'], network['subnets'], network['tags'], network['tenant_id']],
    [1450, false, 'ACTIVE', [], ['x'], demo.projectId],
  )
  assert.ok(!('provider:network_type' in network))
  assert.deepEqual(
    ((await demo.call('GET', `/v2.0/networks/${network.id}`)).body as { network: View }).network,
    network,
  )
})

test('a network is its project’s; a shared one is everybody’s to see and its owner’s to change', async () => {
  const own = await make(demo, 'network', { name: 'own' })
  const shared = await make(admin, 'network', { name: 'everybody', shared: true })
  assert.equal((await other.call('GET', `/v2.0/networks/${own.id}`)).status, 404)
  assert.equal((await other.call('DELETE', `/v2.0/networks/${own.id}`)).status, 404)
  const seen = (await list(other, 'networks')).map(({ id }) => id)
  assert.ok(seen.includes(shared.id) && !seen.includes(own.id))
  assert.equal((await other.call('PUT', `/v2.0/networks/${shared.id}`, { network: { name: 'mine' } })).status, 403)
  assert.equal(
    (
      await other.call('POST', '/v2.0/subnets', {
        subnet: { network_id: shared.id, ip_version: 4, cidr: '10.0.0.0/24' },
      })
    ).status,
    403,
  )
})

test('only an admin shares, opens to outside, or says what lies beneath', async () => {
  for (const fields of [{ shared: true }, { 'router:external': true }, { 'provider:network_type': 'vlan' }]) {
    const { status, body } = await demo.call('POST', '/v2.0/networks', { network: fields })
    assert.deepEqual([status, refusal(body).type], [403, 'PolicyNotAuthorized'])
  }
  const network = await make(admin, 'network', { 'provider:network_type': 'vlan', 'provider:segmentation_id': 7 })
  assert.equal(network['provider:segmentation_id'], 7)
  assert.equal((await demo.call('POST', '/v2.0/networks', { network: { project_id: other.projectId } })).status, 403)
})

test('unknown fields and wrong values change nothing', async () => {
  const unknown = await demo.call('POST', '/v2.0/networks', { network: { nmae: 'typo' } })
  assert.deepEqual([unknown.status, refusal(unknown.body).message], [400, "Unrecognized attribute(s) 'nmae'"])
  for (const fields of [{ mtu: 5 }, { name: 7 }, { name: 'x'.repeat(256) }, { admin_state_up: 'perhaps' }]) {
    const { status, body } = await demo.call('POST', '/v2.0/networks', { network: fields })
    assert.deepEqual([status, refusal(body).type], [400, 'InvalidInput'], JSON.stringify(fields))
  }
  assert.equal((await demo.call('POST', '/v2.0/networks', {})).status, 400)
  assert.equal((await demo.call('GET', '/v2.0/networks?color=red')).status, 400)
  const reader = await cloud.person('reader')
  assert.equal((await reader.call('POST', '/v2.0/networks', { network: {} })).status, 403)
  assert.equal((await reader.call('GET', '/v2.0/networks')).status, 200)
})

test('a subnet gets a gateway and pools, or what it asks for', async () => {
  const { id: network_id } = await make(demo, 'network', {})
  const plain = await make(demo, 'subnet', { network_id, ip_version: 4, cidr: '10.0.0.9/24' })
  assert.deepEqual([plain['cidr'], plain['gateway_ip']], ['10.0.0.0/24', '10.0.0.1'])
  assert.deepEqual(plain['allocation_pools'], [{ start: '10.0.0.2', end: '10.0.0.254' }])
  const middle = await make(demo, 'subnet', {
    network_id,
    ip_version: 4,
    cidr: '10.0.1.0/24',
    gateway_ip: '10.0.1.100',
  })
  assert.deepEqual(middle['allocation_pools'], [
    { start: '10.0.1.1', end: '10.0.1.99' },
    { start: '10.0.1.101', end: '10.0.1.254' },
  ])
  const none = await make(demo, 'subnet', { network_id, ip_version: 6, cidr: 'fd00::/64', gateway_ip: null })
  assert.equal(none['gateway_ip'], null)
  assert.deepEqual(none['allocation_pools'], [{ start: 'fd00::1', end: 'fd00::ffff:ffff:ffff:ffff' }])
  const network = ((await demo.call('GET', `/v2.0/networks/${network_id}`)).body as { network: View }).network
  assert.deepEqual(network['subnets'], [plain.id, middle.id, none.id])
})

test('subnets that overlap, are no blocks, or hand out their gateway are refused', async () => {
  const { id: network_id } = await make(demo, 'network', {})
  await make(demo, 'subnet', { network_id, ip_version: 4, cidr: '10.0.0.0/16' })
  const cases = [
    [{ ip_version: 4, cidr: '10.0.5.0/24' }, 400],
    [{ ip_version: 4, cidr: '10.0.0.0' }, 400],
    [{ ip_version: 6, cidr: '10.9.0.0/24' }, 400],
    [{ ip_version: 4, cidr: '10.9.0.0/24', gateway_ip: 'x' }, 400],
    [{ ip_version: 4, cidr: '10.9.0.0/24', allocation_pools: [{ start: '10.9.0.1', end: '10.9.0.9' }] }, 409],
    [{ ip_version: 4, cidr: '10.9.0.0/24', allocation_pools: [{ start: '10.8.0.5', end: '10.9.0.9' }] }, 400],
    [
      {
        ip_version: 4,
        cidr: '10.9.0.0/24',
        allocation_pools: [
          { start: '10.9.0.5', end: '10.9.0.9' },
          { start: '10.9.0.9', end: '10.9.0.10' },
        ],
      },
      409,
    ],
    [{ ip_version: 6, cidr: 'fd00::/80', ipv6_address_mode: 'slaac' }, 400],
  ] as const
  for (const [fields, status] of cases) {
    const answer = await demo.call('POST', '/v2.0/subnets', { subnet: { network_id, ...fields } })
    assert.equal(answer.status, status, JSON.stringify(fields))
  }
  assert.equal((await list(demo, `subnets?network_id=${network_id}`)).length, 1)
})

test('of two overlapping subnets made at once one wins', async () => {
  const { id: network_id } = await make(demo, 'network', {})
  const answers = await Promise.all(
    Array.from({ length: 8 }, () =>
      demo.call('POST', '/v2.0/subnets', { subnet: { network_id, ip_version: 4, cidr: '10.3.0.0/24' } }),
    ),
  )
  assert.equal(answers.filter(({ status }) => status === 201).length, 1)
})

test('what is used is not deleted; a network takes its subnets with it', async () => {
  const network = await make(demo, 'network', {})
  const subnet = await make(demo, 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.0.0.0/24' })
  const port = await make(demo, 'port', { network_id: network.id })
  const inUse = await demo.call('DELETE', `/v2.0/networks/${network.id}`)
  assert.deepEqual([inUse.status, refusal(inUse.body).type], [409, 'NetworkInUse'])
  const used = await demo.call('DELETE', `/v2.0/subnets/${subnet.id}`)
  assert.deepEqual([used.status, refusal(used.body).type], [409, 'SubnetInUse'])
  assert.equal((await demo.call('DELETE', `/v2.0/ports/${port.id}`)).status, 204)
  assert.equal((await demo.call('DELETE', `/v2.0/networks/${network.id}`)).status, 204)
  assert.equal((await demo.call('GET', `/v2.0/subnets/${subnet.id}`)).status, 404)
  assert.equal((await demo.call('DELETE', `/v2.0/networks/${network.id}`)).status, 404)
})

test('changes count revisions, and may ask for the one they know', async () => {
  const { id } = await make(demo, 'network', { name: 'first' })
  const update = (name: string, headers = {}) =>
    demo.call('PUT', `/v2.0/networks/${id}`, { network: { name } }, headers)
  assert.equal(((await update('second')).body as { network: View }).network['revision_number'], 2)
  const stale = await update('third', { 'if-match': 'revision_number=1' })
  assert.deepEqual([stale.status, refusal(stale.body).type], [412, 'RevisionNumberConstraintFailed'])
  assert.equal((await update('third', { 'if-match': 'revision_number=2' })).status, 200)
})

test('lists are filtered by any field and by tags, with chosen fields, sorted and paged by links', async () => {
  for (const [name, ...tags] of [
    ['p1', 'page', 'odd'],
    ['p2', 'page'],
    ['p3', 'page', 'odd'],
  ] as const)
    await make(other, 'network', { name, tags, description: 'paged' })
  const names = async (query: string) => (await list(other, `networks?${query}`)).map(({ name }) => name)
  assert.deepEqual(await names('tags=page,odd&sort_key=name'), ['p1', 'p3'])
  assert.deepEqual(await names('tags=page&not-tags=odd'), ['p2'])
  assert.deepEqual(await names('name=p1&name=p2&sort_key=name&sort_dir=desc'), ['p2', 'p1'])
  assert.deepEqual(await names('description=paged&shared=True'), [])
  assert.deepEqual(await list(other, 'networks?name=p1&fields=name&fields=mtu'), [{ name: 'p1', mtu: 1450 }])
  const seen: unknown[] = []
  let path: string | undefined = '/v2.0/networks?tags=page&sort_key=name&limit=2'
  let back: string | undefined
  while (path !== undefined) {
    const { body } = await other.call('GET', path)
    const page = body as { networks: View[]; networks_links: { rel: string; href: string }[] }
    seen.push(...page.networks.map(({ name }) => name))
    const href = (rel: string) =>
      page.networks_links.find((link) => link.rel === rel)?.href.slice(cloud.network.url.length)
    back = href('previous') ?? back
    path = href('next')
  }
  assert.deepEqual(seen, ['p1', 'p2', 'p3'])
  const { body } = await other.call('GET', back ?? '')
  assert.deepEqual(
    (body as { networks: View[] }).networks.map(({ name }) => name),
    ['p1', 'p2'],
  )
})

test('a list that would be a giant query is refused', async () => {
  const many = (name: string) => Array.from({ length: 100 }, (_, index) => `${name}=n${index}`).join('&')
  for (const query of [many('tags'), many('sort_key'), `tags=${'x,'.repeat(5000)}`])
    assert.equal((await demo.call('GET', `/v2.0/networks?${query}`)).status, 400)
  assert.equal((await demo.call('GET', `/v2.0/networks?${many('id')}`)).status, 200)
})

test('tags are replaced, added and removed', async () => {
  const { id } = await make(demo, 'network', {})
  const path = `/v2.0/networks/${id}/tags`
  assert.deepEqual((await demo.call('PUT', path, { tags: ['b', 'a'] })).body, { tags: ['a', 'b'] })
  assert.equal((await demo.call('PUT', `${path}/c`)).status, 201)
  assert.equal((await demo.call('GET', `${path}/c`)).status, 204)
  assert.equal((await demo.call('DELETE', `${path}/a`)).status, 204)
  assert.equal((await demo.call('DELETE', `${path}/a`)).status, 404)
  assert.deepEqual((await demo.call('GET', path)).body, { tags: ['b', 'c'] })
  assert.equal((await other.call('PUT', path, { tags: [] })).status, 404)
  assert.equal((await demo.call('DELETE', path)).status, 204)
})

test('clients find the versions and the extensions', async () => {
  assert.match(JSON.stringify((await demo.call('GET', '/')).body), /"v2.0"/)
  assert.equal((await demo.call('GET', '/v2.0/')).status, 200)
  const aliases = (await list(demo, 'extensions')).map(({ alias }) => alias)
  assert.ok(aliases.includes('port-security') && aliases.includes('binding'))
  assert.deepEqual((await demo.call('GET', '/v2.0/agents')).body, { agents: [] })
  assert.equal((await demo.call('GET', `/v2.0/quotas/${demo.projectId}`)).status, 200)
  assert.equal((await demo.call('GET', '/v2.0/nothing')).status, 404)
})

test('a subnet that cannot work is refused', async () => {
  const { id: network_id } = await make(demo, 'network', {})
  const four = { ip_version: 4, cidr: '10.9.0.0/24' }
  const six = { ip_version: 6, cidr: 'fd00::/64' }
  const route = (destination: string, nexthop: string) => ({ host_routes: [{ destination, nexthop }] })
  const cases = [
    [{ ...four, cidr: '10.9.0.0/31' }, 'InvalidInput'],
    [{ ...four, cidr: '224.0.0.0/24' }, 'InvalidInput'],
    [{ ...four, cidr: '127.0.0.0/24' }, 'InvalidInput'],
    [{ ...four, cidr: '0.0.0.0/0' }, 'InvalidInput'],
    [{ ...six, cidr: '::/64' }, 'InvalidInput'],
    [{ ...four, gateway_ip: '10.9.0.0' }, 'InvalidInput'],
    [{ ...four, gateway_ip: '10.9.0.255' }, 'InvalidInput'],
    [{ ...four, gateway_ip: 'fd00::1' }, 'InvalidInput'],
    [{ ...four, allocation_pools: [{ start: '10.9.0.9', end: '10.9.0.5' }] }, 'InvalidAllocationPool'],
    [{ ...four, allocation_pools: [{ start: '10.8.0.5', end: '10.9.0.9' }] }, 'OutOfBoundsAllocationPool'],
    [{ ...four, dns_nameservers: ['fd00::1'] }, 'InvalidInput'],
    [{ ...four, dns_nameservers: ['192.0.2.1', '192.0.2.1'] }, 'InvalidInput'],
    [{ ...four, dns_nameservers: [1, 2, 3, 4, 5, 6].map((last) => `192.0.2.${last}`) }, 'DNSNameServersExhausted'],
    [{ ...four, ...route('x', '10.9.0.9') }, 'InvalidInput'],
    [{ ...four, ...route('fd00::/64', '10.9.0.9') }, 'InvalidInput'],
    [{ ...four, ipv6_ra_mode: 'slaac' }, 'InvalidInput'],
    [{ ...six, ipv6_ra_mode: 'slaac', ipv6_address_mode: 'dhcpv6-stateful' }, 'InvalidInput'],
    [{ ...six, ipv6_ra_mode: 'slaac', enable_dhcp: false }, 'InvalidInput'],
    [{ ...six, subnetpool_id: 'x' }, 'InvalidInput'],
  ] as const
  for (const [fields, type] of cases) {
    const { status, body } = await demo.call('POST', '/v2.0/subnets', { subnet: { network_id, ...fields } })
    assert.ok(status === 400 && refusal(body).type === type, `${JSON.stringify(fields)}: ${JSON.stringify(body)}`)
  }
  const tiny = await make(demo, 'subnet', { network_id, ...four, cidr: '10.9.0.4/31', enable_dhcp: false })
  assert.deepEqual(
    [tiny['gateway_ip'], tiny['allocation_pools']],
    ['10.9.0.4', [{ start: '10.9.0.5', end: '10.9.0.5' }]],
  )
  const told = await make(demo, 'subnet', {
    network_id,
    ...four,
    cidr: '10.10.0.0/24',
    ...route('192.0.2.7/24', '10.10.0.9'),
  })
  assert.deepEqual(told['host_routes'], [{ destination: '192.0.2.0/24', nexthop: '10.10.0.9' }])
})

test('a gateway that a port has is not changed, nor is a port’s address made one', async () => {
  const { id: network_id } = await make(demo, 'network', {})
  const subnet = await make(demo, 'subnet', { network_id, ip_version: 4, cidr: '10.0.0.0/24' })
  await make(demo, 'port', { network_id, device_owner: 'network:dhcp', fixed_ips: [{ ip_address: '10.0.0.1' }] })
  const set = async (gateway_ip: string | null) => {
    const { status, body } = await demo.call('PUT', `/v2.0/subnets/${subnet.id}`, { subnet: { gateway_ip } })
    return status === 200 ? 'changed' : `${status} ${refusal(body).type}`
  }
  assert.equal(await set('10.0.0.255'), '400 InvalidInput')
  assert.equal(await set(null), '409 GatewayIpInUse')
  const other = await make(demo, 'subnet', { network_id, ip_version: 4, cidr: '10.1.0.0/24' })
  const none = await demo.call('PUT', `/v2.0/subnets/${other.id}`, { subnet: { gateway_ip: null } })
  assert.equal(none.status, 200)
})

test('ports get an address of a subnet whose guests make their own, also when it comes after them', async () => {
  const { id: network_id } = await make(demo, 'network', {})
  const before = await make(demo, 'port', { network_id, mac_address: 'fa:16:3e:00:00:01' })
  await make(demo, 'subnet', { network_id, ip_version: 6, cidr: 'fd07::/64', ipv6_ra_mode: 'slaac' })
  const fixed = async (id: string) => {
    const { body } = await demo.call('GET', `/v2.0/ports/${id}`)
    return (body as { port: { fixed_ips: { ip_address: string }[] } }).port.fixed_ips.map((ip) => ip.ip_address)
  }
  assert.deepEqual(await fixed(before.id), ['fd07::f816:3eff:fe00:1'])
  const wished = await demo.call('POST', '/v2.0/ports', {
    port: { network_id, fixed_ips: [{ ip_address: 'fd07::5' }] },
  })
  assert.deepEqual([wished.status, refusal(wished.body).type], [400, 'AllocationOnAutoAddressSubnet'])
})

test('what others use is not taken from them', async () => {
  const shared = await make(admin, 'network', { shared: true, 'router:external': true })
  await make(admin, 'subnet', { network_id: shared.id, ip_version: 4, cidr: '10.0.0.0/24' })
  await make(demo, 'port', { network_id: shared.id })
  const put = async (fields: object) => {
    const { status, body } = await admin.call('PUT', `/v2.0/networks/${shared.id}`, { network: fields })
    return status === 200 ? 'changed' : `${status} ${refusal(body).type}`
  }
  assert.equal(await put({ shared: false }), '409 InvalidSharedSetting')
  assert.equal(await put({ 'router:external': false }), 'changed')
  assert.equal(await put({ 'router:external': true }), 'changed')
  const { status } = await demo.call('POST', '/v2.0/floatingips', { floatingip: { floating_network_id: shared.id } })
  assert.equal(status, 201)
  assert.equal(await put({ 'router:external': false }), '409 ExternalNetworkInUse')
  const six = await make(demo, 'network', { mtu: 1280 })
  const subnet = { network_id: six.id, ip_version: 6, cidr: 'fd00::/64' }
  await make(demo, 'subnet', subnet)
  const lower = await demo.call('PUT', `/v2.0/networks/${six.id}`, { network: { mtu: 1279 } })
  assert.equal(refusal(lower.body).type, 'NetworkMTUSubnetConflict')
  const low = await make(demo, 'network', { mtu: 1000 })
  const early = await demo.call('POST', '/v2.0/subnets', { subnet: { ...subnet, network_id: low.id } })
  assert.equal(refusal(early.body).type, 'NetworkMTUSubnetConflict')
})

test('tags that begin with kilonova: are written by admins and services alone, and stay when the owner writes others', async () => {
  const { id } = await make(demo, 'network', {})
  const path = `/v2.0/networks/${id}/tags`
  const tags = async () => ((await demo.call('GET', path)).body as { tags: string[] }).tags
  for (const [method, where, body] of [
    ['PUT', `${path}/kilonova:routed`, undefined],
    ['DELETE', `${path}/kilonova:routed`, undefined],
    ['PUT', path, { tags: ['kilonova:routed'] }],
    ['POST', '/v2.0/networks', { network: { tags: ['kilonova:routed'] } }],
  ] as const)
    assert.equal((await demo.call(method, where, body)).status, 403, `${method} ${where}`)
  assert.equal((await admin.call('PUT', `${path}/kilonova:routed`)).status, 201)
  assert.equal((await demo.call('PUT', path, { tags: ['kilonova:routed', 'mine'] })).status, 200)
  assert.equal((await demo.call('PUT', path, { tags: ['other'] })).status, 200)
  assert.deepEqual(await tags(), ['kilonova:routed', 'other'])
  assert.equal((await demo.call('DELETE', path)).status, 204)
  assert.deepEqual(await tags(), ['kilonova:routed'])
  assert.equal((await admin.call('DELETE', path)).status, 204)
  assert.deepEqual(await tags(), [])
  assert.equal((await demo.call('PUT', `${path}/${'x'.repeat(256)}`)).status, 400)
})

test('an admin learns how many addresses are left', async () => {
  const network = await make(demo, 'network', { name: 'counted' })
  const small = await make(demo, 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.0.0.0/28' })
  await make(demo, 'subnet', { network_id: network.id, ip_version: 6, cidr: 'fd00::/64' })
  await make(demo, 'port', { network_id: network.id, fixed_ips: [{ subnet_id: small.id }] })
  const path = '/v2.0/network-ip-availabilities'
  assert.equal((await demo.call('GET', path)).status, 403)
  const { body } = await admin.call('GET', `${path}/${network.id}`)
  const { subnet_ip_availability: subnets, ...whole } = (body as { network_ip_availability: Record<string, unknown> })
    .network_ip_availability
  assert.deepEqual([whole['network_name'], whole['used_ips'], whole['tenant_id']], ['counted', 1, demo.projectId])
  assert.deepEqual(
    (subnets as Record<string, unknown>[]).map((subnet) => [subnet['cidr'], subnet['used_ips']]),
    [
      ['10.0.0.0/28', 1],
      ['fd00::/64', 0],
    ],
  )
  const [four] = await list(admin, `network-ip-availabilities?network_name=counted&ip_version=4`)
  assert.equal(four?.['total_ips'], 13)
  assert.equal((await admin.call('GET', `${path}/none`)).status, 404)
})

test('there is one availability zone, no agent, and nothing of what is not here', async () => {
  const zones = await list(demo, 'availability_zones')
  assert.deepEqual(
    zones.map(({ resource, name }) => [resource, name]),
    [
      ['network', 'nova'],
      ['router', 'nova'],
    ],
  )
  const hinted = await make(demo, 'network', { availability_zone_hints: ['nova'] })
  assert.deepEqual(hinted['availability_zone_hints'], ['nova'])
  const nowhere = await demo.call('POST', '/v2.0/networks', { network: { availability_zone_hints: ['x'] } })
  assert.deepEqual([nowhere.status, refusal(nowhere.body).type], [404, 'AvailabilityZoneNotFound'])
  const aliases = (await list(demo, 'extensions')).map(({ alias }) => alias)
  for (const [path, alias] of [
    ['address-scopes', 'address-scope'],
    ['subnetpools', 'subnet_allocation'],
    ['rbac-policies', 'rbac-policies'],
    ['qos/policies', 'qos'],
    ['trunks', 'trunk'],
  ] as const) {
    assert.equal((await demo.call('GET', `/v2.0/${path}`)).status, 404, path)
    assert.ok(!aliases.includes(alias))
  }
})

test('an expired token is refused at once, also one that was just accepted', async () => {
  const shortly = await cloud.person('demo')
  assert.equal((await shortly.call('GET', '/v2.0/networks')).status, 200)
  cloud.clock.advance(3600_000)
  const { status, headers } = await shortly.call('GET', '/v2.0/networks')
  assert.equal(status, 401)
  assert.match(String(headers['www-authenticate']), /^Keystone uri=/)
  const renewed = await cloud.person('demo')
  assert.equal((await renewed.call('GET', '/v2.0/networks')).status, 200)
})
