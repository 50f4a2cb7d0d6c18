/** Ports over HTTP: their addresses, their groups, their hosts. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { testNetwork, type Person, type TestNetwork } from '../test-cloud.ts'

let cloud: TestNetwork
let admin: Person
let demo: Person
let other: Person
let service: Person
let shared: View
before(async () => {
  cloud = await testNetwork()
  ;[admin, demo, other, service] = (await Promise.all(
    (['admin', 'demo', 'other', 'kilonova'] as const).map((name) => cloud.person(name)),
  )) as [Person, Person, Person, Person]
  shared = await make(admin, 'network', { name: 'private', shared: true })
  await make(admin, 'subnet', { network_id: shared.id, ip_version: 4, cidr: '10.0.0.0/20' })
})
after(() => cloud.close())

type View = Readonly<Record<string, unknown>> & { readonly id: string }

async function make(person: Person, noun: 'network' | 'subnet' | 'port', fields: object): Promise<View> {
  const { status, body } = await person.call('POST', `/v2.0/${noun}s`, { [noun]: fields })
  assert.equal(status, 201, JSON.stringify(body))
  return (body as Record<string, View>)[noun] as View
}
const refused = async (person: Person, fields: object): Promise<readonly [number, string]> => {
  const { status, body } = await person.call('POST', '/v2.0/ports', { port: fields })
  return [status, (body as { NeutronError: { type: string } }).NeutronError.type]
}
const list = async (person: Person, query: string): Promise<readonly View[]> =>
  ((await person.call('GET', `/v2.0/ports?${query}`)).body as { ports: View[] }).ports
const update = async (person: Person, id: string, fields: object) => {
  const { status, body } = await person.call('PUT', `/v2.0/ports/${id}`, { port: fields })
  return {
    status,
    port: (body as { port: View }).port,
    type: (body as { NeutronError?: { type: string } }).NeutronError?.type,
  }
}
const addresses = (port: View) => (port['fixed_ips'] as { ip_address: string }[]).map((ip) => ip.ip_address)

test('a port gets an address, a MAC and its project’s default group', async () => {
  const port = await make(demo, 'port', { network_id: shared.id, name: 'mine' })
  assert.match(String(port['mac_address']), /^fa:16:3e(:[\da-f]{2}){3}$/)
  assert.match(addresses(port)[0] ?? '', /^10\.0\./)
  assert.deepEqual([port['status'], port['port_security_enabled'], port['extra_dhcp_opts']], ['DOWN', true, []])
  assert.ok(!('binding:host_id' in port))
  const { body } = await demo.call('GET', '/v2.0/security-groups?name=default')
  const [group] = (body as { security_groups: View[] }).security_groups
  assert.deepEqual(port['security_groups'], [group?.id])
  assert.deepEqual(((await demo.call('GET', `/v2.0/ports/${port.id}`)).body as { port: View }).port, port)
})

test('a service makes a port for a project, bound to a host, and finds it again by owner and tag', async () => {
  const made = await make(service, 'port', {
    network_id: shared.id,
    project_id: demo.projectId,
    device_id: 'server-1',
    device_owner: 'compute:nova',
    'binding:host_id': 'host-1',
    'binding:profile': { a: 1 },
    tags: ['kilonova:task-1/ports:0'],
    dns_name: 'one',
  })
  assert.deepEqual(
    [made['project_id'], made['status'], made['binding:vif_type'], made['binding:profile']],
    [demo.projectId, 'ACTIVE', 'bridge', { a: 1 }],
  )
  const ids = async (query: string) => (await list(service, query)).map(({ id }) => id)
  assert.deepEqual(await ids('device_id=server-1&tags=kilonova:task-1/ports:0'), [made.id])
  assert.deepEqual(await ids('device_id=server-1&tags=kilonova:task-1/ports:1'), [])
  assert.deepEqual(await ids('device_id=server-1&device_owner=compute:nova&status=ACTIVE'), [made.id])
  assert.deepEqual(await ids(`fixed_ips=ip_address=${addresses(made)[0]}`), [made.id])
  assert.deepEqual(await ids('binding:host_id=host-1'), [made.id])
  for (const query of ['binding:host_id=host-1', 'sort_key=binding:host_id'])
    assert.equal((await demo.call('GET', `/v2.0/ports?${query}`)).status, 403)
})

test('who is no admin or service cannot bind, nor loosen a port on somebody else’s network', async () => {
  const cases = [
    { 'binding:host_id': 'host-1' },
    { mac_address: 'fa:16:3e:00:00:01' },
    { port_security_enabled: false },
    { allowed_address_pairs: [{ ip_address: '0.0.0.0/0' }] },
    { device_owner: 'network:dhcp' },
    { project_id: other.projectId },
    { fixed_ips: [{ ip_address: '10.0.9.9' }] },
  ]
  for (const fields of cases)
    assert.deepEqual(
      await refused(demo, { network_id: shared.id, ...fields }),
      [403, 'PolicyNotAuthorized'],
      JSON.stringify(fields),
    )
  const own = await make(demo, 'network', {})
  const port = await make(demo, 'port', {
    network_id: own.id,
    port_security_enabled: false,
    mac_address: 'FA:16:3E:00:00:01',
  })
  assert.deepEqual([port['mac_address'], port['security_groups'], port['fixed_ips']], ['fa:16:3e:00:00:01', [], []])
})

test('a port of another project is not there', async () => {
  const { id } = await make(demo, 'port', { network_id: shared.id })
  assert.equal((await other.call('GET', `/v2.0/ports/${id}`)).status, 404)
  assert.equal((await update(other, id, { name: 'x' })).status, 404)
  assert.equal((await other.call('DELETE', `/v2.0/ports/${id}`)).status, 404)
  assert.equal((await list(other, `id=${id}`)).length, 0)
  const { id: secret } = await make(demo, 'network', {})
  assert.deepEqual(await refused(other, { network_id: secret }), [404, 'NetworkNotFound'])
})

test('an address may be wished for, once', async () => {
  const wish = { network_id: shared.id, fixed_ips: [{ ip_address: '10.0.9.9' }] }
  const port = await make(admin, 'port', wish)
  assert.deepEqual(addresses(port), ['10.0.9.9'])
  assert.deepEqual(await refused(service, wish), [409, 'IpAddressInUse'])
  await admin.call('DELETE', `/v2.0/ports/${port.id}`)
  assert.deepEqual(addresses(await make(service, 'port', wish)), ['10.0.9.9'])
  const wrong = [
    [[{ ip_address: '192.168.0.1' }], 400, 'InvalidIpForNetwork'],
    [[{ ip_address: '10.0.0.0' }], 400, 'InvalidIpForSubnet'],
    [[{ ip_address: '10.0.15.255' }], 400, 'InvalidIpForSubnet'],
    [[{ ip_address: '10.0.0.1' }], 409, 'IpAddressInUse'],
    [[{ ip_address: 'ten' }], 400, 'InvalidInput'],
    [[{ subnet_id: 'none' }], 404, 'SubnetNotFound'],
    [[{}], 400, 'InvalidInput'],
  ] as const
  for (const [fixed_ips, status, type] of wrong)
    assert.deepEqual(
      await refused(service, { network_id: shared.id, fixed_ips }),
      [status, type],
      JSON.stringify(fixed_ips),
    )
})

test('fifty ports race for ten addresses: ten win, each with its own', async () => {
  const network = await make(demo, 'network', {})
  await make(demo, 'subnet', {
    network_id: network.id,
    ip_version: 4,
    cidr: '10.5.0.0/24',
    allocation_pools: [
      { start: '10.5.0.10', end: '10.5.0.14' },
      { start: '10.5.0.20', end: '10.5.0.24' },
    ],
  })
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => demo.call('POST', '/v2.0/ports', { port: { network_id: network.id } })),
  )
  const made = answers.flatMap(({ status, body }) => (status === 201 ? [(body as { port: View }).port] : []))
  assert.equal(new Set(made.flatMap(addresses)).size, 10)
  assert.equal(made.length, 10)
  const failures = answers.filter(({ status }) => status !== 201)
  assert.ok(failures.every(({ status, body }) => status === 409 && /No more IP addresses/.test(JSON.stringify(body))))
  assert.equal((await list(demo, `network_id=${network.id}`)).length, 10)
  const [first] = made
  assert.ok(first)
  await demo.call('DELETE', `/v2.0/ports/${first.id}`)
  assert.deepEqual(addresses(await make(demo, 'port', { network_id: network.id })), addresses(first))
})

test('an address that was given back is not handed out again at once', async () => {
  const first = await make(demo, 'port', { network_id: shared.id })
  await demo.call('DELETE', `/v2.0/ports/${first.id}`)
  assert.notDeepEqual(addresses(await make(demo, 'port', { network_id: shared.id })), addresses(first))
})

test('with subnets of both versions a port gets both; a guest’s own IPv6 address is known beforehand', async () => {
  const network = await make(demo, 'network', {})
  await make(demo, 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.6.0.0/24' })
  await make(demo, 'subnet', {
    network_id: network.id,
    ip_version: 6,
    cidr: 'fd01::/64',
    ipv6_address_mode: 'slaac',
    ipv6_ra_mode: 'slaac',
  })
  const port = await make(demo, 'port', { network_id: network.id, mac_address: 'fa:16:3e:12:34:56' })
  assert.deepEqual(addresses(port), ['10.6.0.2', 'fd01::f816:3eff:fe12:3456'])
})

test('a port is bound, taken back, and gets other addresses', async () => {
  const network = await make(demo, 'network', {})
  const own = await make(demo, 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.0.8.0/23' })
  await make(demo, 'port', { network_id: network.id, fixed_ips: [{ ip_address: '10.0.9.9' }] })
  const { id } = await make(demo, 'port', {
    network_id: network.id,
    name: 'user’s own',
    fixed_ips: [{ ip_address: '10.0.8.9' }],
  })
  for (const fields of [{ 'binding:host_id': 'host-1' }, { 'binding:host_id': '' }, { 'binding:profile': null }])
    assert.equal((await update(demo, id, fields)).status, 403)
  const bound = await update(service, id, {
    device_id: 'server-2',
    device_owner: 'compute:nova',
    'binding:host_id': 'host-1',
  })
  assert.deepEqual(
    [bound.port['status'], bound.port['binding:vif_type'], bound.port['name']],
    ['ACTIVE', 'bridge', 'user’s own'],
  )
  const free = await update(service, id, {
    device_id: '',
    device_owner: '',
    'binding:host_id': '',
    'binding:profile': {},
  })
  assert.deepEqual(
    [free.port['status'], free.port['binding:vif_type'], free.port['device_id']],
    ['DOWN', 'unbound', ''],
  )
  const both = await update(demo, id, {
    fixed_ips: [{ ip_address: '10.0.8.9' }, { subnet_id: own.id, ip_address: '10.0.8.2' }],
  })
  assert.deepEqual(addresses(both.port), ['10.0.8.2', '10.0.8.9'])
  const one = await update(demo, id, { fixed_ips: [{ ip_address: '10.0.8.2' }] })
  assert.deepEqual(addresses(one.port), ['10.0.8.2'])
  assert.equal((await update(demo, id, { fixed_ips: [{ ip_address: '10.0.9.9' }] })).type, 'IpAddressInUse')
  assert.deepEqual(addresses(((await demo.call('GET', `/v2.0/ports/${id}`)).body as { port: View }).port), ['10.0.8.2'])
})

test('a MAC is unique on its network', async () => {
  const network = await make(demo, 'network', {})
  const mac = { network_id: network.id, mac_address: 'fa:16:3e:aa:aa:aa' }
  await make(demo, 'port', mac)
  assert.deepEqual(await refused(demo, mac), [409, 'MacAddressInUse'])
  const second = await make(demo, 'port', { network_id: network.id })
  assert.equal((await update(demo, second.id, { mac_address: 'fa:16:3e:aa:aa:ab' })).status, 403)
  assert.equal((await update(admin, second.id, { mac_address: 'fa:16:3e:aa:aa:aa' })).type, 'MacAddressInUse')
  assert.equal((await update(admin, second.id, { mac_address: 'fa:16:3e:aa:aa:ab' })).status, 200)
  assert.deepEqual(await refused(demo, { network_id: network.id, mac_address: '01:00:5e:00:00:01' }), [
    400,
    'InvalidInput',
  ])
})

test('several ports are made at once, all or none', async () => {
  const network = await make(demo, 'network', {})
  await make(demo, 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.7.0.0/30' })
  const post = (count: number) =>
    demo.call('POST', '/v2.0/ports', { ports: Array.from({ length: count }, () => ({ network_id: network.id })) })
  assert.equal((await post(2)).status, 409)
  assert.equal((await list(demo, `network_id=${network.id}`)).length, 0)
  const { status, body } = await post(1)
  assert.deepEqual([status, (body as { ports: View[] }).ports.length], [201, 1])
})

test('mistyped fields change nothing', async () => {
  for (const fields of [
    { fixed_ips: 'x' },
    { mac_address: 'x' },
    { admin_state_up: 'x' },
    { colour: 'red' },
    { security_groups: ['none'] },
  ]) {
    const answer = await demo.call('POST', '/v2.0/ports', { port: { network_id: shared.id, name: 'typo', ...fields } })
    assert.equal(answer.status, 'security_groups' in fields ? 404 : 400, JSON.stringify(fields))
  }
  assert.equal((await list(demo, 'name=typo')).length, 0)
})

test('the owner of a network sees and deletes what others have on it, and changes nothing of it', async () => {
  const { body } = await admin.call('POST', '/v2.0/networks', {
    network: { project_id: demo.projectId, shared: true, name: 'lent' },
  })
  const { id: network_id } = (body as { network: View }).network
  const guest = await make(other, 'port', { network_id })
  assert.equal((await demo.call('GET', `/v2.0/ports/${guest.id}`)).status, 200)
  assert.equal((await update(demo, guest.id, { name: 'mine' })).status, 403)
  assert.equal((await demo.call('DELETE', `/v2.0/ports/${guest.id}`)).status, 204)
})

test('a network that leads outside is no place for users’ ports', async () => {
  const outside = await make(admin, 'network', { 'router:external': true })
  assert.deepEqual(await refused(demo, { network_id: outside.id }), [403, 'PolicyNotAuthorized'])
  await make(admin, 'port', { network_id: outside.id })
})

test('allowed address pairs are kept in canonical form, with the port’s MAC, and need port security', async () => {
  const network = await make(demo, 'network', {})
  const port = await make(demo, 'port', {
    network_id: network.id,
    allowed_address_pairs: [
      { ip_address: '10.0.0.9/24' },
      { ip_address: 'FD00::0:1', mac_address: 'FA:16:3E:00:00:09' },
    ],
  })
  const mac_address = port['mac_address']
  assert.deepEqual(port['allowed_address_pairs'], [
    { ip_address: '10.0.0.0/24', mac_address },
    { ip_address: 'fd00::1', mac_address: 'fa:16:3e:00:00:09' },
  ])
  const pairs = (...texts: string[]) => ({ allowed_address_pairs: texts.map((ip_address) => ({ ip_address })) })
  const cases = [
    [pairs('10.0.0.1', '10.0.0.1'), 'DuplicateAddressPairInRequest'],
    [pairs(...Array.from({ length: 11 }, (_, index) => `10.0.0.${index}`)), 'AllowedAddressPairExhausted'],
    [pairs('everything'), 'InvalidInput'],
    [{ port_security_enabled: false }, 'PortSecurityPortHasSecurityGroup'],
    [{ port_security_enabled: false, security_groups: [] }, 'AddressPairAndPortSecurityRequired'],
  ] as const
  for (const [fields, type] of cases) assert.equal((await update(demo, port.id, fields)).type, type)
  const open = { port_security_enabled: false, security_groups: [], allowed_address_pairs: null }
  const opened = await update(demo, port.id, open)
  assert.deepEqual([opened.status, opened.port['allowed_address_pairs']], [200, []])
  assert.equal((await update(demo, port.id, pairs('10.0.0.1'))).type, 'AddressPairAndPortSecurityRequired')
})

test('DHCP options are changed one by one, and each is one line', async () => {
  const network = await make(demo, 'network', {})
  const { id } = await make(demo, 'port', {
    network_id: network.id,
    extra_dhcp_opts: [
      { opt_name: 'mtu', opt_value: '1400' },
      { opt_name: 'bootfile-name', opt_value: 'a' },
    ],
  })
  const set = async (...extra_dhcp_opts: object[]) =>
    (await update(demo, id, { extra_dhcp_opts })).port['extra_dhcp_opts']
  assert.deepEqual(await set({ opt_name: 'mtu', opt_value: null }, { opt_name: 'bootfile-name', opt_value: 'b' }), [
    { opt_name: 'bootfile-name', opt_value: 'b', ip_version: 4 },
  ])
  const twoLines = [{ opt_name: 'x', opt_value: 'a\nb' }]
  assert.equal((await update(demo, id, { extra_dhcp_opts: twoLines })).type, 'InvalidInput')
})

test('a part of the network itself has no packet filter before it', async () => {
  const network = await make(demo, 'network', {})
  const port = await make(demo, 'port', { network_id: network.id, device_owner: 'network:dhcp' })
  assert.deepEqual([port['port_security_enabled'], port['security_groups']], [false, []])
})

test('five hundred ports with their groups are one quick list', async () => {
  const network = await make(admin, 'network', { shared: true })
  await make(admin, 'subnet', { network_id: network.id, ip_version: 4, cidr: '10.8.0.0/20' })
  for (let made = 0; made < 500; made += 100) {
    const ports = Array.from({ length: 100 }, () => ({ network_id: network.id, project_id: 'crowd' }))
    assert.equal((await service.call('POST', '/v2.0/ports', { ports })).status, 201)
  }
  const before = process.cpuUsage()
  const found = await list(service, `network_id=${network.id}`)
  const { user, system } = process.cpuUsage(before)
  assert.ok(user + system < 1_000_000, `${user + system} microseconds`)
  assert.ok(found.length === 500 && found.every((port) => addresses(port).length === 1))
})
