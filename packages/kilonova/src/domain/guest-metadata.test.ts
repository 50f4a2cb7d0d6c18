import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guestDocuments, type GuestPort } from './guest-metadata.ts'
import { demoPort, demoServer } from './server-fixture.ts'

const documents = (server = demoServer(), ports: readonly GuestPort[] = [demoPort()]) => {
  const files = guestDocuments(server, ports, 'c2VlZA==')
  return (path: string): unknown => {
    const file = files[path]
    return file === undefined ? undefined : JSON.parse(new TextDecoder().decode(file))
  }
}

test('meta_data.json says who the guest is', () => {
  assert.deepEqual(documents()('openstack/latest/meta_data.json'), {
    uuid: '3f1c7a52-0d3e-4b43-9d3a-0123456789ab',
    meta: { role: 'web' },
    public_keys: { mykey: 'ssh-ed25519 AAAA demo\n' },
    keys: [{ name: 'mykey', type: 'ssh', data: 'ssh-ed25519 AAAA demo\n' }],
    hostname: 'demo.novalocal',
    name: 'Demo server',
    launch_index: 0,
    availability_zone: 'nova',
    random_seed: 'c2VlZA==',
    project_id: 'project-1',
    devices: [],
    dedicated_cpus: [],
  })
})

test('what came with a later version is not in an earlier one', () => {
  const read = documents()
  assert.deepEqual(Object.keys(read('openstack/2012-08-10/meta_data.json') as object).toSorted(), [
    'availability_zone',
    'hostname',
    'keys',
    'launch_index',
    'meta',
    'name',
    'public_keys',
    'uuid',
  ])
  assert.ok('random_seed' in (read('openstack/2013-04-04/meta_data.json') as object))
  assert.equal(read('openstack/2013-04-04/vendor_data.json'), undefined)
  assert.deepEqual(read('openstack/2013-10-17/vendor_data.json'), {})
  assert.equal(read('openstack/2013-10-17/network_data.json'), undefined)
  assert.deepEqual(read('openstack/2016-10-06/vendor_data2.json'), {})
})

test('without metadata, key and user data their names are not there', () => {
  const plain = documents(demoServer({ metadata: {}, keyName: null, publicKey: null, userData: null }))
  const keys = Object.keys(plain('openstack/latest/meta_data.json') as object)
  assert.deepEqual(
    keys.filter((key) => ['meta', 'public_keys', 'keys'].includes(key)),
    [],
  )
  assert.equal(plain('openstack/latest/user_data'), undefined)
  assert.ok(!('public-keys' in (plain('ec2/latest/meta-data.json') as object)))
})

test('user data are the bytes that were given, whatever they are', () => {
  const bytes = Buffer.from([0, 255, 128, 10, 13])
  const files = guestDocuments(demoServer({ userData: bytes.toString('base64') }), [], '')
  for (const path of [
    'openstack/latest/user_data',
    'openstack/2012-08-10/user_data',
    'ec2/latest/user-data',
    'ec2/2009-04-04/user-data',
  ]) {
    assert.deepEqual(Buffer.from(files[path] ?? []), bytes, path)
  }
})

test('a subnet with DHCP says just that, one without all that the guest must set itself', () => {
  const [subnet] = demoPort().subnets
  assert.ok(subnet)
  const fixed = {
    ...subnet,
    id: 'subnet-2',
    cidr: '192.0.2.0/26',
    gateway: '192.0.2.1',
    dhcp: false,
    hostRoutes: [{ destination: '198.51.100.0/24', nexthop: '192.0.2.9' }],
  }
  const six = { ...subnet, id: 'subnet-3', cidr: 'fd00:0:0:4::/62', gateway: 'fd00::1', dhcp: false, dnsServers: [] }
  const other = demoPort({
    portId: 'bbbbbbbb-0000-4000-8000-000000000002',
    subnets: [fixed, six],
    fixedIps: [
      { address: '192.0.2.5', subnetId: 'subnet-2' },
      { address: 'fd00::5', subnetId: 'subnet-3' },
    ],
  })
  assert.deepEqual(documents(demoServer(), [demoPort(), other])('openstack/latest/network_data.json'), {
    links: [
      {
        id: 'tapaaaaaaaa-00',
        vif_id: 'aaaaaaaa-0000-4000-8000-000000000001',
        type: 'tap',
        mtu: 1450,
        ethernet_mac_address: 'fa:16:3e:00:00:01',
      },
      {
        id: 'tapbbbbbbbb-00',
        vif_id: 'bbbbbbbb-0000-4000-8000-000000000002',
        type: 'tap',
        mtu: 1450,
        ethernet_mac_address: 'fa:16:3e:00:00:01',
      },
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

test('a config drive has the EC2 versions that are in use, and every OpenStack one', () => {
  const folders = new Set(
    Object.keys(guestDocuments(demoServer(), [demoPort()], '')).map((path) => path.split('/').slice(0, 2).join('/')),
  )
  assert.deepEqual(
    [...folders].filter((folder) => folder.startsWith('ec2')),
    ['ec2/2009-04-04', 'ec2/latest'],
  )
  assert.equal([...folders].filter((folder) => folder.startsWith('openstack')).length, 11)
  assert.deepEqual(documents()('ec2/latest/meta-data.json'), {
    'ami-id': 'ami-image-1',
    'ami-launch-index': 0,
    'ami-manifest-path': 'FIXME',
    'instance-id': 'i-3f1c7a52',
    hostname: 'demo.novalocal',
    'local-ipv4': '10.0.0.5',
    'reservation-id': 'r-abcdefgh',
    'security-groups': ['default'],
    'public-keys': { '0': { 'openssh-key': 'ssh-ed25519 AAAA demo\n' } },
    'local-hostname': 'demo.novalocal',
    'public-hostname': 'demo.novalocal',
    'public-ipv4': '',
    'instance-type': 'm1.nano',
    'block-device-mapping': { ami: 'vda', root: '/dev/vda' },
    placement: { 'availability-zone': 'nova' },
    'instance-action': 'none',
  })
})
