/** Every path of every version, against a table of what upstream has there. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EC2_VERSIONS, OPENSTACK_VERSIONS } from '../domain/guest-metadata.ts'
import { demoPort, demoServer } from '../domain/server-fixture.ts'
import { lookup, partsOf, type Found, type Subject } from './lookup.ts'

const subject = (change: Partial<Subject> = {}): Subject => ({
  server: demoServer({
    injectedFiles: [{ path: '/etc/motd', contents: 'aGVsbG8=' }],
    requestedNics: [{ networkId: 'network-1', tag: 'front' }],
  }),
  dhcpDomain: 'novalocal',
  randomSeed: 'c2VlZA==',
  now: Date.parse('2026-06-01'),
  ports: async () => [demoPort({ tag: 'front' })],
  localIp: () => '10.0.0.5',
  publicIp: async () => '203.0.113.7',
  fixedVendorData: async () => ({ motd: 'hello' }),
  combinedVendorData: async () => ({ static: { motd: 'hello' } }),
  ...change,
})
const find = (path: string, change: Partial<Subject> = {}) => lookup(partsOf(path), subject(change))
const text = (found: Found | 'password' | undefined): string | undefined =>
  found === undefined || found === 'password' ? found : Buffer.from(found.body).toString()
const read = async (path: string, change: Partial<Subject> = {}) => text(await find(path, change))
const keysOf = async (path: string): Promise<string[] | undefined> => {
  const found = await read(path)
  return found === undefined ? undefined : Object.keys(JSON.parse(found) as object)
}

const META = ['uuid', 'meta', 'files', 'public_keys', 'keys', 'hostname', 'name', 'launch_index', 'availability_zone']
const FILES = ['meta_data.json', 'user_data']
/** Version, keys of meta_data.json beside META, listed files beside FILES, keys of a device. */
const DEVICE = ['type', 'mac', 'bus', 'address', 'tags']
const OPENSTACK = [
  ['2012-08-10', [], [], undefined],
  ['2013-04-04', ['random_seed'], ['password'], undefined],
  ['2013-10-17', ['random_seed'], ['password', 'vendor_data.json'], undefined],
  ['2015-10-15', ['random_seed', 'project_id'], ['password', 'vendor_data.json', 'network_data.json'], undefined],
  [
    '2016-06-30',
    ['random_seed', 'project_id', 'devices'],
    ['password', 'vendor_data.json', 'network_data.json'],
    DEVICE,
  ],
  [
    '2016-10-06',
    ['random_seed', 'project_id', 'devices'],
    ['password', 'vendor_data.json', 'network_data.json', 'vendor_data2.json'],
    DEVICE,
  ],
  [
    '2017-02-22',
    ['random_seed', 'project_id', 'devices'],
    ['password', 'vendor_data.json', 'network_data.json', 'vendor_data2.json'],
    DEVICE,
  ],
  [
    '2018-08-27',
    ['random_seed', 'project_id', 'devices'],
    ['password', 'vendor_data.json', 'network_data.json', 'vendor_data2.json'],
    ['vf_trusted', ...DEVICE],
  ],
  [
    '2020-10-14',
    ['random_seed', 'project_id', 'devices', 'dedicated_cpus'],
    ['password', 'vendor_data.json', 'network_data.json', 'vendor_data2.json'],
    ['vf_trusted', ...DEVICE],
  ],
  [
    '2025-04-04',
    ['random_seed', 'project_id', 'devices', 'dedicated_cpus'],
    ['password', 'vendor_data.json', 'network_data.json', 'vendor_data2.json'],
    ['vf_trusted', ...DEVICE],
  ],
] as const

test('every file of every version of OpenStack has the keys of that version', async () => {
  assert.deepEqual(
    OPENSTACK.map(([version]) => version),
    [...OPENSTACK_VERSIONS],
  )
  const last = OPENSTACK.at(-1) ?? assert.fail()
  for (const [version, more, files, device] of [...OPENSTACK, ['latest', ...last.slice(1)] as unknown as typeof last]) {
    const under = (name: string) => `/openstack/${version}/${name}`
    assert.equal(await read(under('')), [...FILES, ...files].join('\n'), version)
    assert.deepEqual(await keysOf(under('meta_data.json')), [...META, ...more], version)
    const { devices } = JSON.parse((await read(under('meta_data.json'))) ?? '') as { devices?: object[] }
    assert.deepEqual(
      devices?.map((each) => Object.keys(each)),
      device && [[...device]],
      version,
    )
    assert.equal(await read(under('user_data')), '#!/bin/sh\n')
    const has = (name: string) => (files as readonly string[]).includes(name)
    assert.equal(await find(under('password')), has('password') ? 'password' : undefined, version)
    assert.deepEqual(await keysOf(under('vendor_data.json')), has('vendor_data.json') ? ['motd'] : undefined, version)
    assert.deepEqual(await keysOf(under('vendor_data2.json')), has('vendor_data2.json') ? ['static'] : undefined)
    // Not listed in the older ones, and yet answered: as upstream.
    assert.deepEqual(await keysOf(under('network_data.json')), ['links', 'networks', 'services'], version)
  }
})

const BASE =
  'ami-id ami-launch-index ami-manifest-path hostname instance-id local-ipv4 public-keys/ reservation-id security-groups'
const NAMES = 'local-hostname public-hostname public-ipv4'
const EC2 = [
  ['1.0', BASE],
  ['2007-01-19', `${BASE} ${NAMES}`],
  ['2007-03-01', `${BASE} ${NAMES}`],
  ['2007-08-29', `${BASE} ${NAMES} instance-type`],
  ['2007-10-10', `${BASE} ${NAMES} instance-type`],
  ['2007-12-15', `${BASE} ${NAMES} instance-type block-device-mapping/`],
  ['2008-02-01', `${BASE} ${NAMES} instance-type block-device-mapping/ placement/`],
  ['2008-09-01', `${BASE} ${NAMES} instance-type block-device-mapping/ placement/ instance-action`],
  ['2009-04-04', `${BASE} ${NAMES} instance-type block-device-mapping/ placement/ instance-action`],
  ['latest', `${BASE} ${NAMES} instance-type block-device-mapping/ placement/ instance-action`],
] as const
const LEAVES: Readonly<Record<string, string>> = {
  'ami-id': 'ami-image-1',
  'ami-launch-index': '0',
  'ami-manifest-path': 'FIXME',
  'block-device-mapping': 'ami\nroot',
  'block-device-mapping/ami': 'vda',
  'block-device-mapping/root': '/dev/vda',
  hostname: 'demo.novalocal',
  'instance-action': 'none',
  'instance-id': 'i-3f1c7a52',
  'instance-type': 'm1.nano',
  'local-hostname': 'demo.novalocal',
  'local-ipv4': '10.0.0.5',
  placement: 'availability-zone',
  'placement/availability-zone': 'nova',
  'public-hostname': 'demo.novalocal',
  'public-ipv4': '203.0.113.7',
  'public-keys': '0=mykey',
  'public-keys/0': 'openssh-key',
  'public-keys/0/openssh-key': 'ssh-ed25519 AAAA demo\n',
  'reservation-id': 'r-abcdefgh',
  'security-groups': 'default',
}

test('every path of every version of EC2 is listed where it began, and says the same', async () => {
  assert.deepEqual(
    EC2.map(([version]) => version),
    [...EC2_VERSIONS, 'latest'],
  )
  for (const [version, names] of EC2) {
    for (const root of [`/${version}`, `/ec2/${version}`]) {
      assert.equal(await read(root), 'meta-data/\nuser-data')
      assert.equal(await read(`${root}/user-data`), '#!/bin/sh\n')
      const listed = names.split(' ').toSorted()
      assert.equal(await read(`${root}/meta-data/`), listed.join('\n'), version)
      for (const [path, said] of Object.entries(LEAVES)) {
        const top = path.split('/')[0] ?? ''
        const known = listed.includes(top) || listed.includes(`${top}/`)
        assert.equal(await read(`${root}/meta-data/${path}`), known ? said : undefined, `${version} ${path}`)
      }
    }
  }
})

test('the roots list versions, those of the future not', async () => {
  const ec2 = [...EC2_VERSIONS, 'latest'].join('\n')
  for (const path of ['/', '//', '/ec2', '/ec2/']) assert.equal(await read(path), ec2)
  assert.equal(await read('/openstack/'), [...OPENSTACK_VERSIONS, 'latest'].join('\n'))
  const past = await read('/openstack', { now: Date.parse('2016-10-05') })
  assert.equal(past?.split('\n').at(-2), '2016-06-30')
  assert.notEqual(await read('/openstack/2025-04-04/meta_data.json', { now: 0 }), undefined)
})

test('a path means what it means in a file system', async () => {
  for (const path of ['/openstack//content/0000', '/openstack/content/0000/', '/latest/../openstack/./content/0000'])
    assert.equal(await read(path), 'hello', path)
})

test('what is not there is not found', async () => {
  for (const path of [
    '/openstack/2011-01-01/meta_data.json',
    '/openstack/latest/nothing',
    '/openstack/latest/meta_data.json/x',
    '/openstack/latest/toString',
    '/openstack/content',
    '/openstack/content/0001',
    '/openstack/content/0000/x',
    '/openstack/latest/content/0000',
    '/latest/meta-data/constructor',
    '/latest/meta-data/hostname/x',
    '/latest/meta-data/security-groups/default',
    '/latest/user-data/x',
    '/latest/api/token',
    '/2006-01-01',
    '/nonsense',
  ])
    assert.equal(await read(path), undefined, path)
  const bare = { server: demoServer({ userData: null, keyName: null, publicKey: null }) }
  for (const path of ['/latest/user-data', '/openstack/latest/user_data', '/latest/meta-data/public-keys'])
    assert.equal(await read(path, bare), undefined, path)
  assert.equal(await read('/latest', bare), 'meta-data/')
  assert.doesNotMatch((await read('/openstack/latest', bare)) ?? '', /user_data/)
  assert.equal(await read('/openstack/latest/vendor_data.json', { fixedVendorData: async () => undefined }), undefined)
})

test('other services are asked only for what is theirs', async () => {
  const broken = async () => assert.fail('asked for nothing')
  const alone = { server: demoServer(), ports: broken, publicIp: broken, combinedVendorData: broken }
  for (const path of ['/openstack/latest/meta_data.json', '/latest/meta-data/', '/latest/meta-data/local-ipv4'])
    assert.notEqual(await read(path, alone), undefined)
})

test('contents have the types that upstream gives them', async () => {
  const typeOf = async (path: string) => {
    const found = await find(path)
    return typeof found === 'object' ? found.contentType : undefined
  }
  for (const name of ['meta_data.json', 'vendor_data.json', 'vendor_data2.json'])
    assert.equal(await typeOf(`/openstack/latest/${name}`), 'application/json', name)
  for (const path of ['/openstack/latest/network_data.json', '/openstack/latest/user_data', '/latest/meta-data/'])
    assert.equal(await typeOf(path), 'text/plain; charset=utf-8', path)
})
