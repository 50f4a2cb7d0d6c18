import assert from 'node:assert/strict'
import { test } from 'node:test'
import { networkData, type GuestSubnet } from './guest-metadata-network.ts'
import { demoPort } from './server-fixture.ts'

const subnet = (change: Partial<GuestSubnet> = {}): GuestSubnet => ({
  id: 'subnet-2',
  cidr: '192.0.2.0/26',
  gateway: '192.0.2.1',
  dhcp: false,
  dnsServers: ['9.9.9.9'],
  hostRoutes: [],
  ...change,
})
const six = (change: Partial<GuestSubnet> = {}): GuestSubnet =>
  subnet({ id: 'subnet-3', cidr: 'fd00:0:0:4::/62', gateway: 'fd00::1', dnsServers: ['2001:db8::53'], ...change })
const second = 'bbbbbbbb-0000-4000-8000-000000000002'

test('a subnet with DHCP says just that, one without all that the guest must set itself', () => {
  const routed = subnet({ hostRoutes: [{ destination: '198.51.100.0/24', nexthop: '192.0.2.9' }] })
  const other = demoPort({
    portId: second,
    vifType: 'binding_failed',
    subnets: [routed, six({ dnsServers: [] })],
    // Whatever the order, version 4 goes first.
    fixedIps: [
      { address: 'fd00::5', subnetId: 'subnet-3' },
      { address: '192.0.2.5', subnetId: 'subnet-2' },
    ],
  })
  assert.deepEqual(networkData([demoPort(), other]), {
    links: [
      {
        id: 'tapaaaaaaaa-00',
        vif_id: 'aaaaaaaa-0000-4000-8000-000000000001',
        type: 'ovs',
        mtu: 1450,
        ethernet_mac_address: 'fa:16:3e:00:00:01',
      },
      { id: 'tapbbbbbbbb-00', vif_id: second, type: 'phy', mtu: 1450, ethernet_mac_address: 'fa:16:3e:00:00:01' },
    ],
    networks: [
      { id: 'network0', type: 'ipv4_dhcp', link: 'tapaaaaaaaa-00', network_id: 'network-1' },
      {
        id: 'network1',
        type: 'ipv4',
        link: 'tapbbbbbbbb-00',
        network_id: 'network-1',
        ip_address: '192.0.2.5',
        netmask: '255.255.255.192',
        routes: [
          { network: '0.0.0.0', netmask: '0.0.0.0', gateway: '192.0.2.1' },
          { network: '198.51.100.0', netmask: '255.255.255.0', gateway: '192.0.2.9' },
        ],
        services: [{ type: 'dns', address: '9.9.9.9' }],
      },
      {
        id: 'network2',
        type: 'ipv6',
        link: 'tapbbbbbbbb-00',
        network_id: 'network-1',
        ip_address: 'fd00::5',
        netmask: 'ffff:ffff:ffff:fffc::',
        routes: [{ network: '::', netmask: '::', gateway: 'fd00::1' }],
        services: [],
      },
    ],
    services: [{ type: 'dns', address: '9.9.9.9' }],
  })
})

test('how a guest of version 6 gets its address is said with the address', () => {
  for (const addressMode of ['slaac', 'dhcpv6-stateful', 'dhcpv6-stateless']) {
    const port = demoPort({
      subnets: [six({ addressMode, dhcp: true })],
      fixedIps: [{ address: 'fd00::5', subnetId: 'subnet-3' }],
    })
    const { networks } = networkData([port]) as { networks: readonly Record<string, unknown>[] }
    assert.deepEqual(
      networks.map(({ type, ip_address: address, services }) => [type, address, services]),
      [[`ipv6_${addressMode}`, 'fd00::5', [{ type: 'dns', address: '2001:db8::53' }]]],
    )
  }
  const managed = demoPort({
    subnets: [six({ addressMode: null, dhcp: true })],
    fixedIps: [{ address: 'fd00::5', subnetId: 'subnet-3' }],
  })
  const { networks } = networkData([managed]) as { networks: readonly Record<string, unknown>[] }
  assert.deepEqual(networks, [{ id: 'network0', type: 'ipv6_dhcp', link: 'tapaaaaaaaa-00', network_id: 'network-1' }])
})

test('one address of each version counts, a port without any is not told of, and no port is nothing', () => {
  const many = demoPort({
    subnets: [subnet(), subnet({ id: 'subnet-4', cidr: '198.51.100.0/24', dnsServers: ['8.8.8.8'] })],
    fixedIps: [
      { address: '192.0.2.5', subnetId: 'subnet-2' },
      { address: '192.0.2.6', subnetId: 'subnet-2' },
      { address: '198.51.100.5', subnetId: 'subnet-4' },
    ],
  })
  const none = demoPort({ portId: second, fixedIps: [], subnets: [] })
  const told = networkData([many, none]) as Record<string, readonly Record<string, unknown>[]>
  assert.deepEqual(
    told['networks']?.map((network) => network['ip_address']),
    ['192.0.2.5'],
  )
  assert.deepEqual(told['services'], [{ type: 'dns', address: '9.9.9.9' }])
  assert.equal(told['links']?.length, 1)
  assert.deepEqual(networkData([]), {})
})
