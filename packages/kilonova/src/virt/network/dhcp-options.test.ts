import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dhcpFiles, dnsmasqArguments, hostsFile, optionsFile } from './dhcp-options.ts'
import { layoutOf } from './layout.ts'
import { portOf, subnetOf } from './port-fixture.ts'

const files = dhcpFiles('/run/kilonova-test/net')
const layoutWith = (...subnets: ReturnType<typeof subnetOf>[]) =>
  layoutOf('net', [{ number: 1, facts: portOf({ subnets }) }])
const ranges = (args: readonly string[] | undefined) =>
  args?.filter((arg) => /^--(dhcp-range|shared-network|enable-ra)/.test(arg))

test('a routed subnet is served from its gateway', () => {
  const args = dnsmasqArguments(layoutWith(subnetOf()), files)
  assert.deepEqual(ranges(args), ['--dhcp-range=set:s56bdf020,10.0.0.0,static,255.255.240.0,86400s'])
  for (const needed of [
    '--port=0',
    '--interface=lan',
    '--bind-interfaces',
    `--pid-file=${files.pid}`,
    `--dhcp-hostsfile=${files.hosts}`,
  ]) {
    assert.ok(args?.includes(needed), needed)
  }
})

test('a subnet in which the host has no address is served from the metadata address', () => {
  const args = dnsmasqArguments(layoutWith(subnetOf({ routed: false, gateway: null })), files)
  assert.deepEqual(ranges(args)?.[1], '--shared-network=lan,10.0.0.0')
})

test('version 6 is announced as its modes say, by who has the gateway; without DHCP there is no dnsmasq', () => {
  const six = (wish: Partial<ReturnType<typeof subnetOf>>) =>
    String(ranges(dnsmasqArguments(layoutWith(subnetOf({ cidr: 'fd00::/64', gateway: 'fd00::1', ...wish })), files)))
  const both = (mode: 'slaac' | 'dhcpv6-stateful' | 'dhcpv6-stateless') => ({ raMode: mode, addressMode: mode })
  assert.match(six({}), /fd00::,static,64,86400s$/)
  assert.match(six(both('dhcpv6-stateful')), /fd00::,static,64,86400s,--enable-ra$/)
  assert.match(six(both('dhcpv6-stateless')), /fd00::,ra-stateless,64,86400s$/)
  assert.match(six(both('slaac')), /fd00::,ra-only,64,86400s$/)
  assert.match(six({ ...both('dhcpv6-stateful'), routed: false }), /static,64,86400s,--shared-network=lan,fd00::$/)
  assert.equal(six({ ...both('slaac'), routed: false }), '')
  assert.equal(dnsmasqArguments(layoutWith(subnetOf({ dhcp: false })), files), undefined)
})

test('addresses that guests make themselves are not handed out', () => {
  const subnet = (mode: 'slaac' | 'dhcpv6-stateful') =>
    subnetOf({ cidr: 'fd00::/64', gateway: 'fd00::1', raMode: mode, addressMode: mode })
  const ports = [{ number: 1, facts: portOf({ fixedIps: [{ address: 'fd00::5', subnetId: 'subnet-a' }] }) }]
  assert.equal(hostsFile(layoutWith(subnet('slaac')), ports), '')
  assert.equal(hostsFile(layoutWith(subnet('dhcpv6-stateful')), ports), 'fa:16:3e:0a:0b:0c,[fd00::5],demo\n')
})

test('a guest is told router, routes with metadata among them, MTU and name servers', () => {
  const subnet = subnetOf({
    dnsServers: ['9.9.9.9', 'fd00::53', '1.1.1.1'],
    hostRoutes: [{ destination: '192.0.2.0/24', nexthop: '10.0.0.9' }],
  })
  assert.deepEqual(optionsFile(layoutWith(subnet)).trim().split('\n'), [
    'tag:s56bdf020,option:router,10.0.0.1',
    'tag:s56bdf020,121,169.254.169.254/32,10.0.0.1,192.0.2.0/24,10.0.0.9,0.0.0.0/0,10.0.0.1',
    'tag:s56bdf020,249,169.254.169.254/32,10.0.0.1,192.0.2.0/24,10.0.0.9,0.0.0.0/0,10.0.0.1',
    'tag:s56bdf020,option:mtu,1450',
    'tag:s56bdf020,option:dns-server,9.9.9.9,1.1.1.1',
  ])
})

test('without a gateway there is no router, and metadata is on the link', () => {
  const lines = optionsFile(layoutWith(subnetOf({ gateway: null }))).split('\n')
  assert.deepEqual(lines.slice(0, 2), ['tag:s56bdf020,option:router', 'tag:s56bdf020,121,169.254.169.254/32,0.0.0.0'])
})

test('each address of a served subnet is one line; a name that DHCP cannot carry is left out', () => {
  const layout = layoutWith(subnetOf(), subnetOf({ id: 'subnet-b', dhcp: false, cidr: '10.1.0.0/24' }))
  const fixedIps = [
    { address: '10.0.0.5', subnetId: 'subnet-a' },
    { address: '10.1.0.5', subnetId: 'subnet-b' },
  ]
  const ports = [
    {
      number: 2,
      facts: portOf({
        mac: 'fa:16:3e:00:00:02',
        fixedIps: [{ address: '10.0.0.6', subnetId: 'subnet-a' }],
        hostname: 'a,b',
      }),
    },
    { number: 1, facts: portOf({ fixedIps }) },
  ]
  assert.equal(hostsFile(layout, ports), 'fa:16:3e:0a:0b:0c,10.0.0.5,demo\nfa:16:3e:00:00:02,10.0.0.6\n')
})
