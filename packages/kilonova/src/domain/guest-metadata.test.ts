import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ec2MetaData } from './guest-metadata-ec2.ts'
import type { GuestPort } from './guest-metadata-network.ts'
import { guestDocuments } from './guest-metadata.ts'
import type { Server } from './server.ts'
import { demoPort, demoServer } from './server-fixture.ts'

const SKIPPED = [
  '1.0',
  '2007-01-19',
  '2007-03-01',
  '2007-08-29',
  '2007-10-10',
  '2007-12-15',
  '2008-02-01',
  '2008-09-01',
]
const filesOf = (
  server = demoServer(),
  ports: readonly GuestPort[] = [demoPort()],
  { fixed = {}, combined = {}, dhcpDomain = 'novalocal', skipped = SKIPPED } = {},
) => guestDocuments({ server, ports, dhcpDomain, randomSeed: 'c2VlZA==' }, { fixed, combined }, skipped)

const documents = (...given: Parameters<typeof filesOf>) => {
  const files = filesOf(...given)
  return (path: string): unknown => {
    const file = files[path]
    return file === undefined ? undefined : JSON.parse(new TextDecoder().decode(file))
  }
}
const META = 'openstack/latest/meta_data.json'

test('meta_data.json says who the guest is', () => {
  assert.deepEqual(documents()(META), {
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
  const plain = documents(demoServer(), [], { dhcpDomain: '' })
  assert.equal((plain(META) as { hostname: string }).hostname, 'demo')
})

test('without metadata, key, files and user data their names are not there', () => {
  const plain = documents(demoServer({ metadata: {}, keyName: null, publicKey: null, userData: null }))
  const keys = Object.keys(plain(META) as object)
  assert.deepEqual(
    keys.filter((key) => ['meta', 'public_keys', 'keys', 'files'].includes(key)),
    [],
  )
  assert.equal(plain('openstack/latest/user_data'), undefined)
  assert.ok(!('public-keys' in (plain('ec2/latest/meta-data.json') as object)))
})

test('user data and injected files are the bytes that were given, whatever they are', () => {
  const bytes = Buffer.from([0, 255, 128, 10, 13])
  const injectedFiles = [
    { path: '/etc/motd', contents: Buffer.from('hello').toString('base64') },
    { path: '/etc/bytes', contents: bytes.toString('base64') },
  ]
  const server = demoServer({ userData: bytes.toString('base64'), injectedFiles })
  const files = filesOf(server)
  for (const path of [
    'openstack/latest/user_data',
    'openstack/2012-08-10/user_data',
    'ec2/latest/user-data',
    'ec2/2009-04-04/user-data',
    'openstack/content/0001',
  ])
    assert.deepEqual(Buffer.from(files[path] ?? []), bytes, path)
  assert.equal(new TextDecoder().decode(files['openstack/content/0000']), 'hello')
  assert.deepEqual((documents(server)(META) as { files: unknown }).files, [
    { path: '/etc/motd', content_path: '/content/0000' },
    { path: '/etc/bytes', content_path: '/content/0001' },
  ])
})

test('an interface with a tag is a device; where it is on the bus is said when it is known', () => {
  const tagged = [
    demoPort({ tag: 'public', bus: 'pci', busAddress: '0000:00:03.0' }),
    demoPort({ tag: 'storage', mac: 'fa:16:3e:00:00:02' }),
    demoPort({ mac: 'fa:16:3e:00:00:03' }),
  ]
  const read = documents(demoServer(), tagged)
  const devices = (version: string) =>
    (read(`openstack/${version}/meta_data.json`) as { devices?: readonly unknown[] }).devices
  const first = { type: 'nic', mac: 'fa:16:3e:00:00:01', bus: 'pci', address: '0000:00:03.0', tags: ['public'] }
  const second = { type: 'nic', mac: 'fa:16:3e:00:00:02', bus: 'none', address: 'none', tags: ['storage'] }
  assert.equal(devices('2015-10-15'), undefined)
  assert.deepEqual(devices('2016-06-30'), [first, second])
  assert.deepEqual(devices('2018-08-27'), [
    { vf_trusted: false, ...first },
    { vf_trusted: false, ...second },
  ])
})

test('a config drive has the versions of EC2 that are not left out, and every one of OpenStack', () => {
  const folders = (skipped: readonly string[]) => [
    ...new Set(
      Object.keys(filesOf(demoServer(), [demoPort()], { skipped: [...skipped] })).map((path) =>
        path.split('/').slice(0, 2).join('/'),
      ),
    ),
  ]
  const ec2 = (skipped: readonly string[]) => folders(skipped).filter((folder) => folder.startsWith('ec2'))
  assert.deepEqual(ec2(SKIPPED), ['ec2/2009-04-04', 'ec2/latest'])
  assert.equal(ec2([]).length, 10)
  assert.equal(folders(SKIPPED).filter((folder) => folder.startsWith('openstack')).length, 11)
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

test('EC2’s mapping names the disks beside the root disk', () => {
  const mapping = (change: Partial<Server>) =>
    ec2MetaData({ ...demoServer(), ...change }, { hostname: 'h', localIp: '', publicIp: '' }, 'latest')[
      'block-device-mapping'
    ]
  const { flavor } = demoServer()
  assert.deepEqual(mapping({ flavor: { ...flavor, ephemeralGb: 2, swapMb: 64 } }), {
    ami: 'vda',
    root: '/dev/vda',
    ephemeral0: '/dev/vdb',
    swap: '/dev/vdc',
  })
  assert.deepEqual(mapping({ localDisks: { ephemeralsGb: [1, 1], swapMb: 0 } }), {
    ami: 'vda',
    root: '/dev/vda',
    ephemeral0: '/dev/vdb',
    ephemeral1: '/dev/vdc',
  })
})

test('a config drive says what the operator says, in the versions that know it', () => {
  const given = { fixed: { motd: 'welcome' }, combined: { static: { motd: 'welcome' }, join: { otp: '1' } } }
  const read = documents(demoServer(), [demoPort()], given)
  assert.equal(read('openstack/2013-04-04/vendor_data.json'), undefined)
  assert.deepEqual(read('openstack/2013-10-17/vendor_data.json'), given.fixed)
  assert.equal(read('openstack/2016-06-30/vendor_data2.json'), undefined)
  assert.deepEqual(read('openstack/2016-10-06/vendor_data2.json'), given.combined)
  assert.equal(read('openstack/2013-10-17/network_data.json'), undefined)
  const without = guestDocuments(
    { server: demoServer(), ports: [], dhcpDomain: '', randomSeed: '' },
    { fixed: undefined, combined: {} },
    [],
  )
  assert.equal(without['openstack/latest/vendor_data.json'], undefined)
})

test('an image with a kernel of its own names it', () => {
  const properties = { kernel_id: '11112222-aaaa', ramdisk_id: '33334444-bbbb' }
  const image = { ...(demoServer().image ?? assert.fail()), properties }
  const read = documents(demoServer({ image }))('ec2/latest/meta-data.json') as Record<string, unknown>
  assert.deepEqual([read['kernel-id'], read['ramdisk-id']], ['aki-11112222', 'ari-33334444'])
})
