// What a guest learns of itself, asked from inside: every document, its password posted once, and nothing of another guest whatever it says.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Session } from '@kilonova/cloud/session.ts'
import { cloudProcess, type CloudProcess } from './cloud-process.ts'
import { inGuest, newKey } from './guest-shell.ts'
import { active, idOf } from './servers.ts'

interface Guest {
  readonly id: string
  readonly session: Session
  address: string
}
interface Ask {
  readonly path: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}
interface Answer {
  readonly status: number
  readonly type: string
  readonly text: string
}

const USER_DATA = '#!/bin/sh\nexit 0\n'
const OPENSTACK =
  '2012-08-10 2013-04-04 2013-10-17 2015-10-15 2016-06-30 2016-10-06 2017-02-22 2018-08-27 2020-10-14 2025-04-04'.split(
    ' ',
  )
const EC2 = '1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01 2009-04-04'.split(' ')

let cloud: CloudProcess
let folder = ''
let key = ''
let publicKey = ''
let first: Guest
let second: Guest
/** A service of the operator's, which is asked about each guest. */
let vendor: Server
const vendorAsked: Record<string, unknown>[] = []

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'metadata-'))
  key = join(folder, 'key')
  await newKey(key)
  publicKey = readFileSync(`${key}.pub`, 'utf8').trim()
  writeFileSync(join(folder, 'vendor.json'), '{"motd": "welcome"}')
  vendor = createServer(async (request, reply) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    vendorAsked.push(JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>)
    reply.end('{"otp": "1234"}')
  })
  await once(vendor.listen(0, '127.0.0.1'), 'listening')
  const { port } = vendor.address() as AddressInfo
  cloud = await cloudProcess({
    configuration: `[DEFAULT]
config_drive_format = vfat
[api]
vendordata_providers = StaticJSON, DynamicJSON
vendordata_jsonfile_path = ${join(folder, 'vendor.json')}
vendordata_dynamic_targets = join@http://127.0.0.1:${port}/, broken@http://127.0.0.1:1/
`,
  })
  await cloud.start()
  // Neighbours on one network, of two projects.
  first = await boot('demo', 'first', { metadata: { role: 'web' }, user_data: btoa(USER_DATA) }, 'front')
  second = await boot('admin', 'second', { config_drive: true, user_data: btoa(USER_DATA) })
  for (const guest of [first, second]) {
    guest.address = Object.values((await active(guest.session, guest.id)).addresses)[0]?.[0]?.addr ?? ''
    await inGuest(guest.address, key, 'true', 150_000)
  }
})
after(async () => {
  await cloud.remove()
  vendor.closeAllConnections()
  vendor.close()
  rmSync(folder, { recursive: true, force: true })
})

async function boot(who: 'demo' | 'admin', name: string, wish: object, tag?: string): Promise<Guest> {
  const session = await cloud.session(who)
  await session.call('compute', 'POST', '/os-keypairs', {
    keypair: { name: 'mine', type: 'ssh', public_key: publicKey },
  })
  const uuid = await idOf(session, 'network', '/v2.0/networks', 'private')
  const imageRef = await idOf(session, 'image', '/v2/images', 'demo')
  const networks = [{ uuid, ...(tag === undefined ? {} : { tag }) }]
  const { body } = await session.call('compute', 'POST', '/servers', {
    server: { name, flavorRef: '42', imageRef, networks, key_name: 'mine', ...wish },
  })
  return { id: (body as { server: { id: string } }).server.id, session, address: '' }
}

/** Asked from inside, byte by byte as it is written here. */
async function ask(guest: Guest, asks: readonly Ask[]): Promise<readonly Answer[]> {
  const requests = asks.map(({ path, method = 'GET', headers = {}, body = '' }) => {
    const all = {
      host: '169.254.169.254',
      connection: 'close',
      ...(body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
      ...headers,
    }
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
    return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`).toString('base64')
  })
  // A pipe that is never at its end: who ends what it says first is not answered.
  const pipe = 'rm -f pipe && mkfifo pipe && exec 3<>pipe'
  const each = "echo $request | base64 -d >&3; timeout 20 nc 169.254.169.254 80 <&3 | base64 | tr -d '\\n'; echo"
  const output = await inGuest(
    guest.address,
    key,
    `${pipe}; for request in ${requests.join(' ')}; do ${each}; done; echo`,
  )
  const replies = output.split('\n')
  assert.equal(replies.length, asks.length)
  return replies.map((reply) => {
    const text = Buffer.from(reply, 'base64').toString()
    const end = text.indexOf('\r\n\r\n')
    const head = text.slice(0, end)
    return {
      status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]),
      type: /^content-type: (.*)$/im.exec(head)?.[1]?.trim() ?? '',
      text: text.slice(end + 4),
    }
  })
}
async function get(guest: Guest, ...paths: readonly string[]): Promise<readonly string[]> {
  const asks = paths.map((path) => ({ path }))
  const answers = await ask(guest, asks)
  return answers.map(({ status, text }, index) => {
    assert.equal(status, 200, asks[index]?.path ?? '')
    return text
  })
}
const json = (text: string | undefined): Record<string, unknown> => JSON.parse(text ?? '') as Record<string, unknown>

test('a guest reads every document that is told of OpenStack', async () => {
  const root = '/openstack/latest'
  const [versions, files, meta, network, userData, fixed, combined] = await get(
    first,
    '/openstack',
    `${root}/`,
    `${root}/meta_data.json`,
    `${root}/network_data.json`,
    `${root}/user_data`,
    `${root}/vendor_data.json`,
    `${root}/vendor_data2.json`,
  )
  assert.deepEqual(versions?.split('\n'), [...OPENSTACK, 'latest'])
  assert.deepEqual(files?.split('\n'), [
    'meta_data.json',
    'user_data',
    'password',
    'vendor_data.json',
    'network_data.json',
    'vendor_data2.json',
  ])
  const [mac, device] = (
    await inGuest(first.address, key, 'cat /sys/class/net/eth0/address; readlink -f /sys/class/net/eth0/device')
  ).split('\n')
  const told = json(meta)
  assert.equal(Buffer.from(String(told['random_seed']), 'base64').length, 512)
  const { random_seed: _, project_id: project, ...rest } = told
  assert.match(String(project), /^[0-9a-f]{32}$/)
  assert.deepEqual(rest, {
    uuid: first.id,
    meta: { role: 'web' },
    public_keys: { mine: publicKey },
    keys: [{ name: 'mine', type: 'ssh', data: publicKey }],
    hostname: 'first.novalocal',
    name: 'first',
    launch_index: 0,
    availability_zone: 'nova',
    // The card's own device is one of virtio's; the one above it is on the bus.
    devices: [
      { vf_trusted: false, type: 'nic', mac, bus: 'pci', address: basename(dirname(device ?? '')), tags: ['front'] },
    ],
    dedicated_cpus: [],
  })
  const { links, networks } = json(network) as Record<string, readonly Record<string, unknown>[]>
  assert.deepEqual(
    links?.map((link) => [link['ethernet_mac_address'], link['mtu']]),
    [[mac, 1450]],
  )
  assert.deepEqual(
    networks?.map(({ type }) => type),
    ['ipv4_dhcp'],
  )
  assert.equal(userData, USER_DATA)
  assert.deepEqual(json(fixed), { motd: 'welcome' })
  assert.deepEqual(json(combined), { join: { otp: '1234' }, broken: {}, static: { motd: 'welcome' } })
  const asked = vendorAsked.find((body) => body['instance-id'] === first.id) ?? assert.fail()
  assert.deepEqual([asked['project-id'], asked['metadata']], [project, { role: 'web' }])
  assert.match(String(asked['boot-roles']), /member/)

  const all = await get(first, ...OPENSTACK.map((version) => `/openstack/${version}/meta_data.json`))
  for (const document of all) assert.equal(json(document)['uuid'], first.id)
})

test('a guest walks through all that EC2 has', async () => {
  assert.deepEqual((await get(first, '/'))[0]?.split('\n'), [...EC2, 'latest'])
  const leaves: Record<string, string> = {}
  for (let folders = ['']; folders.length > 0;) {
    const listings = await get(first, ...folders.map((path) => `/latest/meta-data/${path}`))
    const names = folders.flatMap((path, index) =>
      (listings[index] ?? '').split('\n').map((name) => `${path}${name.replace(/=.*/, '/')}`),
    )
    const files = names.filter((name) => !name.endsWith('/'))
    const contents = await get(first, ...files.map((path) => `/latest/meta-data/${path}`))
    for (const [index, path] of files.entries()) leaves[path] = contents[index] ?? ''
    folders = names.filter((name) => name.endsWith('/'))
  }
  const { 'reservation-id': reservation, 'ami-id': image, ...rest } = leaves
  assert.match(reservation ?? '', /^r-\w{8}$/)
  assert.match(image ?? '', /^ami-[0-9a-f]{8}$/)
  assert.deepEqual(rest, {
    'ami-launch-index': '0',
    'ami-manifest-path': 'FIXME',
    'block-device-mapping/ami': 'vda',
    'block-device-mapping/root': '/dev/vda',
    hostname: 'first.novalocal',
    'instance-action': 'none',
    'instance-id': `i-${first.id.slice(0, 8)}`,
    'instance-type': 'm1.nano',
    'local-hostname': 'first.novalocal',
    'local-ipv4': first.address,
    'placement/availability-zone': 'nova',
    'public-hostname': 'first.novalocal',
    'public-ipv4': '',
    'public-keys/0/openssh-key': publicKey,
    'security-groups': 'default',
  })
  const ids = await get(first, ...EC2.map((version) => `/${version}/meta-data/instance-id`))
  assert.deepEqual([...new Set(ids)], [`i-${first.id.slice(0, 8)}`])
  assert.deepEqual(await get(first, '/2009-04-04/user-data'), [USER_DATA])
})

test('a guest posts its password once, and its user reads and clears it', async () => {
  const path = '/openstack/latest/password'
  const api = `/servers/${first.id}/os-server-password`
  const post = { path, method: 'POST' }
  const answers = await ask(first, [
    { path },
    { ...post, body: 'x'.repeat(1021) },
    { ...post, body: 'ZW5jcnlwdGVk' },
    { ...post, body: 'YW5vdGhlcg==' },
    { path },
  ])
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 400, 200, 409, 200],
  )
  assert.deepEqual([answers[0]?.text, answers[4]?.text], ['', 'ZW5jcnlwdGVk'])
  assert.deepEqual((await first.session.call('compute', 'GET', api)).body, { password: 'ZW5jcnlwdGVk' })
  await first.session.call('compute', 'DELETE', api)
  const [empty, again] = await ask(first, [{ path }, { ...post, body: 'YW5vdGhlcg==' }])
  assert.deepEqual([empty?.text, again?.status], ['', 200])
  assert.deepEqual((await first.session.call('compute', 'GET', api)).body, { password: 'YW5vdGhlcg==' })
})

test('whatever a guest says of itself, it is told of nobody else', async () => {
  const path = '/latest/meta-data/instance-id'
  const project = String(json((await get(first, '/openstack/latest/meta_data.json'))[0])['project_id'])
  // Even one that knows the secret, and what would count if it came from a host.
  const { metadataSecret } = JSON.parse(readFileSync(join(cloud.stateDir, 'installation.json'), 'utf8')) as {
    metadataSecret: string
  }
  const signature = createHmac('sha256', metadataSecret).update(first.id).digest('hex')
  const proven = { 'X-Instance-ID': first.id, 'X-Tenant-ID': project, 'X-Instance-ID-Signature': signature }
  const fromHost = await fetch(`${cloud.url('metadata')}${path}`, { headers: proven })
  assert.equal(await fromHost.text(), `i-${first.id.slice(0, 8)}`)
  const lies: readonly Readonly<Record<string, string>>[] = [
    proven,
    { X_Instance_ID: first.id, X_Tenant_ID: project, X_Instance_ID_Signature: signature },
    { 'X-Forwarded-For': first.address, Forwarded: `for=${first.address}` },
    { 'X-Metadata-Provider': 'nsx', 'X-Metadata-Provider-Signature': signature, 'X-Forwarded-For': first.address },
    { 'X-Tenant-ID': project },
    { Host: 'localhost', 'X-Real-IP': first.address, Connection: 'X-Instance-ID, close' },
  ]
  const answers = await ask(second, [...lies.map((headers) => ({ path, headers })), { path: `//${path}`, headers: {} }])
  for (const [index, { status, text }] of answers.entries())
    assert.deepEqual([status, text], [200, `i-${second.id.slice(0, 8)}`], JSON.stringify(lies[index]))
  const posted = await ask(second, [
    { path: '/openstack/latest/password', method: 'POST', body: 'c2Vjb25k', headers: proven },
  ])
  assert.equal(posted[0]?.status, 200)
  const { body } = await second.session.call('compute', 'GET', `/servers/${second.id}/os-server-password`)
  assert.deepEqual(body, { password: 'c2Vjb25k' })
})

test('what is not there is not found, and what is too much is refused', async () => {
  const answers = await ask(first, [
    { path: '/nonsense' },
    { path: '/openstack/2011-01-01/meta_data.json' },
    { path: '/openstack/latest/nothing' },
    { path: '/openstack/content/0000' },
    { path: '/latest/meta-data/nothing' },
    { path: '/latest/api/token', method: 'PUT' },
    { path: '/latest/%zz' },
    { path: '/openstack/latest/password', method: 'POST', headers: { 'content-length': '70000' } },
    { path: '/openstack/latest/password', method: 'POST', headers: { 'transfer-encoding': 'chunked' } },
    // Two lengths: what one server takes for a body is a second request to another.
    { path: '/openstack/latest/password', method: 'POST', headers: { 'transfer-encoding': 'chunked' }, body: '0\r\n' },
  ])
  assert.deepEqual(
    answers.map(({ status }) => status),
    [404, 404, 404, 404, 404, 404, 400, 413, 411, 400],
  )
})

test('a config drive says the same', async () => {
  const files = ['meta_data.json', 'network_data.json', 'user_data', 'vendor_data.json', 'vendor_data2.json']
  const paths = files.map((file) => `openstack/latest/${file}`)
  const served = await get(second, ...paths.map((path) => `/${path}`))
  const output = await inGuest(
    second.address,
    key,
    `sudo mount -o ro $(sudo findfs LABEL=config-2) /mnt && for path in ${paths.join(' ')}; do base64 /mnt/$path | tr -d '\\n'; echo; done; find /mnt -type d; sudo umount /mnt`,
  )
  const lines = output.split('\n')
  const drive = lines.slice(0, files.length).map((line) => Buffer.from(line, 'base64').toString())
  for (const [index, file] of files.entries()) {
    if (file === 'user_data') assert.equal(drive[index], served[index])
    else assert.deepEqual({ ...json(drive[index]), random_seed: '' }, { ...json(served[index]), random_seed: '' }, file)
  }
  const folders = lines.slice(files.length).flatMap((line) => /^\/mnt\/(ec2\/.+|openstack\/.+)$/.exec(line)?.[1] ?? [])
  assert.deepEqual(
    folders.toSorted(),
    ['ec2/2009-04-04', 'ec2/latest', ...[...OPENSTACK, 'latest'].map((version) => `openstack/${version}`)].toSorted(),
  )
})
