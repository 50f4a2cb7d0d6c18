// What users and administrators of networks do with the stock client, command by command. No guest takes part: what hosts make of it is shown elsewhere.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { cloudProcess, type CloudProcess } from '../cloud-process.ts'
import { stockClient, type StockClient } from '../stock-client.ts'

type Row = Readonly<Record<string, unknown>>

let cloud: CloudProcess
let user: StockClient
let admin: StockClient
before(async () => {
  cloud = await cloudProcess({ driver: 'fake' })
  await cloud.start()
  user = stockClient(cloud)
  admin = stockClient(cloud, 'kilonova-admin')
})
after(() => cloud.remove())

const rows = (...command: readonly string[]): Promise<readonly Row[]> => user.json<Row[]>(...command)
/** Sorted. */
const column = async (name: string, ...command: readonly string[]): Promise<readonly string[]> =>
  (await rows(...command)).map((row) => String(row[name])).toSorted()
const fields = async (names: readonly string[], ...command: readonly string[]): Promise<readonly unknown[]> => {
  const shown = await user.json(...command)
  return names.map((name) => shown[name])
}

test('the SDK makes, reads, changes and removes everything there is', async () => {
  const env = {
    PATH: '/usr/bin:/bin',
    LC_ALL: 'C.UTF-8',
    OS_CLIENT_CONFIG_FILE: cloud.cloudsYaml,
    OS_CLOUD: 'kilonova',
  }
  const script = join(import.meta.dirname, 'networking-sdk.py')
  const { stdout } = await promisify(execFile)('/usr/bin/python3', [script], { env, timeout: 120_000 })
  assert.equal(stdout, 'done\n')
})

test('a new cloud has a network to use and one that leads outside', async () => {
  const networks = await rows('network', 'list', '--long', '--sort-column', 'Name')
  assert.deepEqual(
    networks.map((row) => [row['Name'], row['State'], row['Shared'], row['Router Type'], row['Tags']]),
    [
      ['private', true, true, false, ['kilonova:routed']],
      ['public', true, false, true, []],
    ],
  )
  assert.deepEqual(await column('Name', 'network', 'list', '--external'), ['public'])
  assert.deepEqual(await column('Name', 'network', 'list', '--share'), ['private'])
})

test('extensions, zones and agents: what is there, and nothing else', async () => {
  const aliases = await column('Alias', 'extension', 'list', '--network')
  for (const alias of ['router', 'external-net', 'security-group', 'quotas', 'port-security', 'standard-attr-tag'])
    assert.ok(aliases.includes(alias), alias)
  for (const alias of ['trunk', 'qos', 'rbac-policies', 'address-scope', 'subnet_allocation'])
    assert.ok(!aliases.includes(alias), alias)
  assert.equal(await user.value('name', 'extension', 'show', 'router'), 'Neutron L3 Router')
  const zones = await rows('availability', 'zone', 'list', '--network', '--long')
  assert.deepEqual(zones.map((row) => `${String(row['Zone Name'])} ${String(row['Zone Resource'])}`).toSorted(), [
    'nova network',
    'nova router',
  ])
  assert.deepEqual(await admin.json('network', 'agent', 'list'), [])
})

test('networks: made, changed, tagged, listed by what they are', async () => {
  const tags = ['--tag', 'blue', '--tag', 'test']
  await user.run('network', 'create', '--mtu', '1400', '--description', 'first', ...tags, 'net1')
  assert.deepEqual(
    await fields(['mtu', 'description', 'tags', 'shared', 'router:external'], 'network', 'show', 'net1'),
    [1400, 'first', ['blue', 'test'], false, false],
  )
  await user.run('network', 'set', '--name', 'net-one', '--disable', '--tag', 'green', 'net1')
  await user.run('network', 'unset', '--tag', 'test', 'net-one')
  assert.deepEqual(await fields(['admin_state_up', 'tags'], 'network', 'show', 'net-one'), [false, ['blue', 'green']])
  assert.deepEqual(await column('Name', 'network', 'list', '--tags', 'green'), ['net-one'])
  assert.deepEqual(await column('Name', 'network', 'list', '--disable'), ['net-one'])
  await user.run('network', 'set', '--enable', '--no-tag', 'net-one')
  assert.deepEqual(await column('Name', 'network', 'list', '--tags', 'green'), [])
  assert.match(await user.refusal('network', 'set', '--tag', 'kilonova:routed', 'net-one'), /403|disallowed/)
  assert.match(await user.refusal('network', 'create', '--share', 'x'), /disallowed by policy/)
  assert.match(await user.refusal('network', 'create', '--external', 'x'), /disallowed by policy/)
  assert.match(await user.refusal('network', 'delete', 'public'), /disallowed by policy|403/)
  await admin.run('network', 'create', '--share', '--provider-network-type', 'vlan', '--provider-segment', '7', 'lan')
  assert.equal(await admin.value('provider:segmentation_id', 'network', 'show', 'lan'), '7')
  await admin.run('network', 'delete', 'lan')
})

test('subnets: IPv4 and IPv6, with pools, servers, routes and gateways', async () => {
  const on = ['subnet', 'create', '--network', 'net-one']
  const plain = ['--subnet-range', '10.1.0.0/24', '--dns-nameserver', '192.0.2.53', '--tag', 'four']
  await user.run(...on, ...plain, 'four')
  assert.deepEqual(
    await fields(
      ['gateway_ip', 'allocation_pools', 'dns_nameservers', 'enable_dhcp', 'tags'],
      'subnet',
      'show',
      'four',
    ),
    ['10.1.0.1', [{ start: '10.1.0.2', end: '10.1.0.254' }], ['192.0.2.53'], true, ['four']],
  )
  const modes = ['--ipv6-ra-mode', 'slaac', '--ipv6-address-mode', 'slaac']
  await user.run(...on, '--ip-version', '6', '--subnet-range', 'fd01::/64', ...modes, 'six')
  assert.equal(await user.value('ipv6_address_mode', 'subnet', 'show', 'six'), 'slaac')
  const pool = ['--allocation-pool', 'start=10.2.0.10,end=10.2.0.20', '--no-dhcp', '--gateway', 'none']
  await user.run(...on, '--subnet-range', '10.2.0.0/24', ...pool, 'pooled')
  assert.deepEqual(await fields(['gateway_ip', 'enable_dhcp'], 'subnet', 'show', 'pooled'), [null, false])
  const route = ['--host-route', 'destination=192.0.2.0/24,gateway=10.2.0.9']
  await user.run('subnet', 'set', '--gateway', '10.2.0.1', '--dhcp', ...route, 'pooled')
  assert.deepEqual(await fields(['gateway_ip', 'host_routes'], 'subnet', 'show', 'pooled'), [
    '10.2.0.1',
    [{ destination: '192.0.2.0/24', nexthop: '10.2.0.9' }],
  ])
  await user.run('subnet', 'unset', ...route, 'pooled')
  assert.deepEqual(await column('Name', 'subnet', 'list', '--network', 'net-one'), ['four', 'pooled', 'six'])
  assert.deepEqual(await column('Name', 'subnet', 'list', '--ip-version', '6', '--dhcp'), ['six'])
  assert.match(await user.refusal(...on, '--subnet-range', '10.1.0.128/25', 'x'), /overlaps/)
  assert.match(
    await user.refusal('subnet', 'create', '--network', 'private', '--subnet-range', '10.9.0.0/24', 'x'),
    /policy/,
  )
  await user.run('subnet', 'delete', 'pooled')
})

test('ports: addresses, groups, pairs, security, device and state', async () => {
  const on = ['port', 'create', '--network', 'net-one']
  await user.run(
    ...on,
    '--fixed-ip',
    'subnet=four,ip-address=10.1.0.50',
    '--fixed-ip',
    'subnet=four',
    '--tag',
    'web',
    'port1',
  )
  const [fixed] = (await fields(['fixed_ips'], 'port', 'show', 'port1')) as [{ ip_address: string }[]]
  assert.ok(fixed.length === 2 && fixed.some((ip) => ip.ip_address === '10.1.0.50'))
  assert.deepEqual(await column('Name', 'port', 'list', '--fixed-ip', 'ip-address=10.1.0.50'), ['port1'])
  await user.run('port', 'unset', '--fixed-ip', 'subnet=four,ip-address=10.1.0.50', 'port1')
  await user.run('port', 'set', '--allowed-address', 'ip-address=10.1.0.200', '--device', 'box', '--disable', 'port1')
  assert.deepEqual(await fields(['device_id', 'admin_state_up', 'status'], 'port', 'show', 'port1'), [
    'box',
    false,
    'DOWN',
  ])
  assert.equal(
    JSON.stringify(await fields(['allowed_address_pairs'], 'port', 'show', 'port1')).includes('10.1.0.200'),
    true,
  )
  const mac = await user.value('mac_address', 'port', 'show', 'port1')
  await user.run('port', 'unset', '--allowed-address', `ip-address=10.1.0.200,mac-address=${mac}`, 'port1')
  await user.run('port', 'set', '--no-security-group', '--disable-port-security', '--enable', 'port1')
  assert.deepEqual(await fields(['port_security_enabled', 'security_group_ids'], 'port', 'show', 'port1'), [false, []])
  await user.run(...on, '--mac-address', 'fa:16:3e:00:00:01', '--dns-name', 'two', '--no-security-group', 'port2')
  const six = JSON.stringify(await fields(['fixed_ips'], 'port', 'show', 'port2'))
  assert.match(six, /fd01::f816:3eff:fe00:1/)
  assert.deepEqual(await column('Name', 'port', 'list', '--network', 'net-one'), ['port1', 'port2'])
  assert.deepEqual(await column('Name', 'port', 'list', '--tags', 'web', '--long'), ['port1'])
  const elsewhere = ['port', 'create', '--network', 'private']
  assert.match(await user.refusal(...elsewhere, '--mac-address', 'fa:16:3e:00:00:02', 'x'), /policy/)
  assert.match(await user.refusal(...elsewhere, '--disable-port-security', 'x'), /policy/)
  assert.match(await user.refusal(...on, '--host', 'fake-1', 'x'), /policy/)
  assert.match(await user.refusal('port', 'create', '--network', 'public', 'x'), /policy/)
  assert.match(await user.refusal('network', 'delete', 'net-one'), /in use/)
})

test('security groups and rules', async () => {
  await user.run('security', 'group', 'create', '--description', 'for the web', '--tag', 'x', 'web')
  await user.run('security', 'group', 'create', '--stateless', 'less')
  assert.equal(await user.value('stateful', 'security', 'group', 'show', 'less'), 'False')
  const rule = ['security', 'group', 'rule', 'create']
  await user.run(...rule, '--protocol', 'tcp', '--dst-port', '80:443', '--remote-ip', '192.0.2.0/24', 'web')
  await user.run(...rule, '--protocol', 'icmp', '--icmp-type', '8', '--icmp-code', '0', 'web')
  await user.run(...rule, '--protocol', '112', '--egress', 'web')
  await user.run(...rule, '--ethertype', 'IPv6', '--protocol', 'udp', '--remote-group', 'default', 'web')
  assert.match(
    await user.refusal(...rule, '--protocol', 'icmp', '--icmp-type', '8', '--icmp-code', '0', 'web'),
    /exists/,
  )
  const rules = await rows('security', 'group', 'rule', 'list', 'web')
  assert.deepEqual(
    rules
      .map((row) => [row['Direction'], row['Ethertype'], row['IP Protocol'], row['Port Range']].join(' '))
      .toSorted(),
    [
      'egress IPv4  ',
      'egress IPv4 112 ',
      'egress IPv6  ',
      'ingress IPv4 icmp type=8',
      'ingress IPv4 tcp 80:443',
      'ingress IPv6 udp ',
    ],
  )
  const [first] = await column('ID', 'security', 'group', 'rule', 'list', '--protocol', 'tcp', '--ingress', 'web')
  assert.equal(await user.value('port_range_max', 'security', 'group', 'rule', 'show', String(first)), '443')
  await user.run('security', 'group', 'rule', 'delete', String(first))
  await user.run('port', 'set', '--enable-port-security', '--security-group', 'web', 'port1')
  assert.match(await user.refusal('security', 'group', 'delete', 'web'), /in use/)
  assert.match(await user.refusal('security', 'group', 'delete', 'default'), /default/)
  assert.match(await user.refusal('port', 'set', '--security-group', 'less', 'port1'), /stateful/)
  await user.run('port', 'unset', '--security-group', 'web', 'port1')
  await user.run('security', 'group', 'set', '--name', 'www', 'web')
  await user.run('security', 'group', 'delete', 'www', 'less')
  assert.deepEqual(await column('Name', 'security', 'group', 'list'), ['default'])
})

test('routers: interfaces, gateway and routes', async () => {
  await user.run('router', 'create', '--description', 'edge', '--tag', 'x', 'router1')
  await user.run('router', 'add', 'subnet', 'router1', 'four')
  await user.run('router', 'set', '--external-gateway', 'public', 'router1')
  const [gateway, interfaces] = (await fields(
    ['external_gateway_info', 'interfaces_info'],
    'router',
    'show',
    'router1',
  )) as [{ enable_snat: boolean; external_fixed_ips: unknown[] }, { ip_address: string }[]]
  assert.deepEqual([gateway.enable_snat, gateway.external_fixed_ips.length], [true, 1])
  assert.deepEqual(
    interfaces.map((each) => each.ip_address),
    ['10.1.0.1'],
  )
  assert.deepEqual(await column('Name', 'router', 'list', '--long'), ['router1'])
  await user.run('router', 'add', 'route', '--route', 'destination=192.168.0.0/16,gateway=10.1.0.9', 'router1')
  assert.equal(JSON.stringify(await fields(['routes'], 'router', 'show', 'router1')).includes('192.168.0.0/16'), true)
  assert.match(await user.refusal('router', 'remove', 'subnet', 'router1', 'four'), /route/)
  await user.run('router', 'remove', 'route', '--route', 'destination=192.168.0.0/16,gateway=10.1.0.9', 'router1')
  await user.run('network', 'create', 'net2')
  await user.run('subnet', 'create', '--network', 'net2', '--subnet-range', '10.1.0.0/16', 'over')
  assert.match(await user.refusal('router', 'add', 'subnet', 'router1', 'over'), /overlaps/)
  await user.run('subnet', 'create', '--network', 'net2', '--subnet-range', '10.3.0.0/24', 'three')
  await user.run('port', 'create', '--network', 'net2', '--fixed-ip', 'subnet=three,ip-address=10.3.0.1', 'leg')
  await user.run('router', 'add', 'port', 'router1', 'leg')
  assert.match(await user.refusal('port', 'delete', 'leg'), /router_interface/)
  assert.match(await user.refusal('router', 'delete', 'router1'), /ports still attached/)
  assert.match(
    await user.refusal('router', 'set', '--external-gateway', 'public', '--disable-snat', 'router1'),
    /policy/,
  )
  await user.run('router', 'remove', 'port', 'router1', 'leg')
  await user.run('network', 'delete', 'net2')
})

test('floating IPs: allocated, led to a port and away, and what they hold', async () => {
  await user.run('floating', 'ip', 'create', '--port', 'port2', '--description', 'web', '--tag', 'x', 'public')
  const [fip] = await rows('floating', 'ip', 'list', '--long')
  assert.ok(fip)
  const address = String(fip['Floating IP Address'])
  assert.deepEqual([fip['Status'], fip['Description']], ['ACTIVE', 'web'])
  assert.match(String(fip['Fixed IP Address']), /^10\.1\.0\./)
  assert.match(await user.refusal('router', 'unset', '--external-gateway', 'router1'), /floating IP/)
  assert.match(await user.refusal('router', 'remove', 'subnet', 'router1', 'four'), /floating IP/)
  await user.run('floating', 'ip', 'unset', '--port', address)
  assert.equal(await user.value('status', 'floating', 'ip', 'show', address), 'DOWN')
  assert.match(
    await user.refusal('floating', 'ip', 'set', '--port', 'port1', '--fixed-ip-address', '10.1.0.99', address),
    /10\.1\.0\.99/,
  )
  await user.run('floating', 'ip', 'set', '--port', 'port1', address)
  await user.run('port', 'delete', 'port1')
  assert.deepEqual(await fields(['status', 'port_id', 'router_id'], 'floating', 'ip', 'show', address), [
    'DOWN',
    null,
    null,
  ])
  await user.run('port', 'create', '--network', 'private', 'far')
  assert.match(await user.refusal('floating', 'ip', 'set', '--port', 'far', address), /not reachable from subnet/)
  assert.match(await user.refusal('floating', 'ip', 'create', 'net-one'), /external/)
  const wished = address.replace(/\.\d+$/, '.200')
  assert.match(await user.refusal('floating', 'ip', 'create', '--floating-ip-address', wished, 'public'), /policy/)
  await admin.run('floating', 'ip', 'create', '--floating-ip-address', wished, 'public')
  await admin.run('floating', 'ip', 'delete', wished)
  await user.run('floating', 'ip', 'delete', address)
  assert.deepEqual(await rows('floating', 'ip', 'list'), [])
})

test('quotas: unlimited at first, set by the administrator, and kept', async () => {
  const project = await admin.value('id', 'project', 'show', 'demo')
  const limits = async (): Promise<readonly unknown[]> => {
    const all = await admin.json<Row[]>('quota', 'list', '--network')
    const own = all.find((row) => row['Project ID'] === project)
    return [own?.['Networks'], own?.['Ports'], own?.['Floating IPs']]
  }
  assert.deepEqual(await limits(), [-1, -1, -1])
  await admin.run('quota', 'set', '--networks', '1', '--floating-ips', '0', 'demo')
  assert.match(await user.refusal('network', 'create', 'more'), /Quota exceeded/)
  assert.match(await user.refusal('floating', 'ip', 'create', 'public'), /Quota exceeded/)
  await admin.run('quota', 'set', '--networks', '2', '--floating-ips', '1', 'demo')
  await user.run('network', 'create', 'more')
  assert.deepEqual(await limits(), [2, -1, 1])
})

test('an administrator sees all projects and how many addresses are left', async () => {
  const networks = await admin.json<Row[]>('network', 'list')
  assert.ok(networks.some((row) => row['Name'] === 'net-one'))
  const left = await admin.json<Row[]>('ip', 'availability', 'list')
  assert.ok(left.some((row) => row['Network Name'] === 'private' && Number(row['Total IPs']) > 4000))
  const shown = await admin.json('ip', 'availability', 'show', 'net-one')
  assert.equal(shown['network_name'], 'net-one')
  assert.match(await user.refusal('ip', 'availability', 'list'), /policy/)
})

test('everything that was made is deleted again', async () => {
  await user.run('router', 'unset', '--external-gateway', 'router1')
  await user.run('router', 'remove', 'subnet', 'router1', 'four')
  await user.run('router', 'delete', 'router1')
  await user.run('port', 'delete', 'port2', 'far')
  await user.run('network', 'delete', 'net-one', 'more')
  assert.deepEqual(await column('Name', 'network', 'list'), ['private', 'public'])
  assert.deepEqual(await rows('port', 'list'), [])
  assert.deepEqual(await rows('router', 'list'), [])
})
