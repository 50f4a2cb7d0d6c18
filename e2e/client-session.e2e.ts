// What a user does with the stock client, command by command, on real guests; and what each guest is like inside.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Session } from '@kilonova/cloud/session.ts'
import { cloudProcess, type CloudProcess } from './cloud-process.ts'
import { demoImage } from './demo-image.ts'
import { bootIdOf, inGuest, newKey } from './guest-shell.ts'
import { guestPids, leftoversOf } from './leftovers.ts'
import { consoleShows, prompts } from './servers.ts'
import { stockClient, type StockClient } from './stock-client.ts'

const SCRIPT = '#!/bin/sh\necho x >>/home/demo/runs\necho said by user-data on $(hostname)\n'

let cloud: CloudProcess
let openstack: StockClient
let admin: StockClient
let session: Session
let folder = ''
let key = ''
let script = ''

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'session-'))
  key = join(folder, 'key')
  script = join(folder, 'user-data')
  writeFileSync(script, SCRIPT)
  await newKey(key)
  cloud = await cloudProcess({ demo: true })
  await cloud.start()
  openstack = stockClient(cloud)
  admin = stockClient(cloud, 'kilonova-admin')
  session = await cloud.session('demo')
})
after(async () => {
  await cloud.remove()
  rmSync(folder, { recursive: true, force: true })
})

type Row = Readonly<Record<string, unknown>>
const names = async (...command: readonly string[]): Promise<readonly string[]> =>
  (await openstack.json<Row[]>(...command)).map((row) => String(row['Name'])).toSorted()
const addressOf = async (server: string): Promise<string> => {
  const { addresses } = await openstack.json<{ addresses: Record<string, string[]> }>('server', 'show', server)
  return addresses['private']?.[0] ?? ''
}
const status = (server: string): Promise<string> => openstack.value('status', 'server', 'show', server)
const become = async (server: string, wanted: string): Promise<void> => {
  for (const until = Date.now() + 90_000; (await status(server)) !== wanted;)
    assert.ok(Date.now() < until, `${server} is not ${wanted}`)
}

test('the first server is there, and its login prompt was shown at the start', async () => {
  const id = await openstack.value('id', 'server', 'show', 'demo')
  await consoleShows(session, id, (text) => prompts(text) === 1)
  for (const until = Date.now() + 10_000; !cloud.output().includes('demo login:');) {
    assert.ok(Date.now() < until, cloud.output())
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.match(cloud.output(), new RegExp(`demo \\(${id}\\)\\s+address\\s+10\\.\\d+\\.\\d+\\.\\d+`))
  await openstack.run('server', 'delete', '--wait', 'demo')
  assert.deepEqual(await names('server', 'list'), [])
})

test('identity: a token and the catalog', async () => {
  const token = await openstack.json('token', 'issue')
  assert.ok(String(token['id']).length > 20 && token['project_id'])
  const catalog = await openstack.json<{ Type: string }[]>('catalog', 'list')
  assert.deepEqual(catalog.map(({ Type }) => Type).toSorted(), ['compute', 'identity', 'image', 'network'])
})

test('images: created from a file, listed, shown, saved as they were, deleted', async () => {
  const file = await demoImage()
  await openstack.run('image', 'create', '--file', file, '--disk-format', 'qcow2', 'mine')
  assert.deepEqual(await names('image', 'list'), ['demo', 'mine'])
  const shown = await openstack.json('image', 'show', 'mine')
  assert.equal(shown['size'], readFileSync(file).length)
  assert.deepEqual([shown['status'], shown['disk_format']], ['active', 'qcow2'])
  const saved = join(folder, 'saved')
  await openstack.run('image', 'save', '--file', saved, 'mine')
  assert.ok(readFileSync(saved).equals(readFileSync(file)))
  await openstack.run('image', 'delete', 'mine')
  assert.deepEqual(await names('image', 'list'), ['demo'])
})

test('flavors: the known ones, and one that an administrator makes and deletes', async () => {
  assert.deepEqual(await names('flavor', 'list'), [
    'm1.large',
    'm1.medium',
    'm1.micro',
    'm1.nano',
    'm1.small',
    'm1.tiny',
    'm1.xlarge',
  ])
  assert.match(await openstack.refusal('flavor', 'create', '--ram', '1', 'not-mine'), /403.*Policy doesn't allow/)
  await admin.run('flavor', 'create', '--ram', '256', '--disk', '2', '--vcpus', '1', 'custom')
  const shown = await openstack.json('flavor', 'show', 'custom')
  assert.deepEqual([shown['ram'], shown['disk'], shown['vcpus']], [256, 2, 1])
  await admin.run('flavor', 'delete', 'custom')
  assert.match(await openstack.refusal('flavor', 'show', 'custom'), /No Flavor found for custom/i)
})

test('key pairs: given, made, listed, deleted', async () => {
  await openstack.run('keypair', 'create', '--public-key', `${key}.pub`, 'mine')
  assert.match(await openstack.run('keypair', 'create', 'made'), /BEGIN .*PRIVATE KEY/)
  assert.deepEqual(await names('keypair', 'list'), ['made', 'mine'])
  await openstack.run('keypair', 'delete', 'made')
  assert.deepEqual(await names('keypair', 'list'), ['mine'])
})

test('networks, subnets and ports: created, listed, shown, deleted', async () => {
  await openstack.run('network', 'create', 'own')
  await openstack.run('subnet', 'create', '--network', 'own', '--subnet-range', '192.168.77.0/24', 'own-subnet')
  await openstack.run('port', 'create', '--network', 'own', '--fixed-ip', 'ip-address=192.168.77.9', 'own-port')
  assert.deepEqual(await names('network', 'list'), ['own', 'private', 'public'])
  assert.deepEqual(await names('subnet', 'list'), ['own-subnet', 'private', 'public'])
  assert.equal((await openstack.json('network', 'show', 'own'))['name'], 'own')
  assert.equal((await openstack.json('subnet', 'show', 'own-subnet'))['gateway_ip'], '192.168.77.1')
  assert.match(JSON.stringify(await openstack.json('port', 'show', 'own-port')), /192\.168\.77\.9/)
  assert.deepEqual(await names('port', 'list'), ['own-port'])
  assert.match(await openstack.refusal('network', 'delete', 'own'), /409|in use/i)
  await openstack.run('port', 'delete', 'own-port')
  await openstack.run('subnet', 'delete', 'own-subnet')
  await openstack.run('network', 'delete', 'own')
  assert.deepEqual(await names('network', 'list'), ['private', 'public'])
})

test('two servers boot, one told by the metadata service, one by its config drive and with a port of its own', async () => {
  const common = ['--flavor', 'm1.nano', '--image', 'demo', '--key-name', 'mine', '--user-data', script]
  await openstack.run('port', 'create', '--network', 'private', 'held')
  await Promise.all([
    openstack.run('server', 'create', ...common, '--network', 'private', '--property', 'role=front', '--wait', 'web'),
    openstack.run('server', 'create', ...common, '--port', 'held', '--config-drive', 'true', '--wait', 'drive'),
  ])
  assert.deepEqual(await names('server', 'list'), ['drive', 'web'])
  const long = await openstack.json<Row[]>('server', 'list', '--long')
  assert.deepEqual(
    long.map((row) => [row['Status'], row['Power State']]),
    Array.from({ length: 2 }, () => ['ACTIVE', 1]),
  )
  const shown = await openstack.json('server', 'show', 'web')
  assert.deepEqual([shown['properties'], shown['key_name'], shown['config_drive']], [{ role: 'front' }, 'mine', ''])
  assert.match(String(shown['flavor']), /m1\.nano/)
  assert.equal((await openstack.json('server', 'show', 'drive'))['config_drive'], 'True')
})

const sources = [
  { server: 'web', told: 'told by metadata service' },
  { server: 'drive', told: 'told by config drive' },
]
for (const { server, told } of sources)
  test(`inside ${server}: name, address, key, user-data and disk are what was asked for`, async () => {
    const id = await openstack.value('id', 'server', 'show', server)
    const text = await consoleShows(
      session,
      id,
      (console) => prompts(console) === 1 && console.includes('user-data: ended with 0'),
    )
    assert.match(text, new RegExp(`${server} login: `))
    assert.match(text, new RegExp(`said by user-data on ${server}`))
    assert.match(text, new RegExp(`demo: instance ${id} is ${server}, 1 ssh key\\(s\\), ${told}`))
    assert.match(await openstack.run('console', 'log', 'show', server), new RegExp(`${server} login: `))
    for (const [flag, begins] of [
      ['--novnc', `${cloud.url('novnc')}/vnc_auto.html?path=`],
      ['--serial', cloud.url('serial').replace('http:', 'ws:')],
    ] as const) {
      const { url } = await openstack.json<{ url: string }>('console', 'url', 'show', flag, server)
      assert.ok(url.startsWith(begins), url)
    }
    const address = await addressOf(server)
    assert.equal(
      await inGuest(address, key, "hostname; ip -4 -o addr show dev eth0 | sed 's/.*inet //; s/ .*//'; cat runs"),
      `${server}\n${address}/20\nx`,
    )
    assert.equal(
      await inGuest(address, key, 'cat /sys/block/vda/size'),
      String(2 * 1024 ** 2),
      'the disk has the 1 GiB of its flavor',
    )
    assert.ok(Number(await inGuest(address, key, "df -m / | tail -n 1 | sed 's/ \\+/ /g' | cut -d' ' -f2")) > 900)
  })

test('the port that was given is the one the server has', async () => {
  const port = await openstack.json('port', 'show', 'held')
  assert.equal(port['device_id'], await openstack.value('id', 'server', 'show', 'drive'))
  assert.ok(JSON.stringify(port['fixed_ips']).includes(await addressOf('drive')))
})

test('a server is renamed and gets a property', async () => {
  await openstack.run('server', 'set', '--name', 'front', '--property', 'tier=1', 'web')
  assert.deepEqual((await openstack.json('server', 'show', 'front'))['properties'], { role: 'front', tier: '1' })
  await openstack.run('server', 'set', '--name', 'web', 'front')
})

test('soft and hard reboot restart the guest; user-data does not run again', async () => {
  for (const [server, kind] of [
    ['web', '--soft'],
    ['drive', '--hard'],
  ] as const) {
    const address = await addressOf(server)
    const bootId = await bootIdOf(address, key)
    await openstack.run('server', 'reboot', kind, '--wait', server)
    assert.equal(await status(server), 'ACTIVE')
    const id = await openstack.value('id', 'server', 'show', server)
    await consoleShows(session, id, (text) => prompts(text) >= 1)
    assert.notEqual(await bootIdOf(address, key), bootId, `${kind} did not restart ${server}`)
    assert.equal(await inGuest(address, key, 'cat runs'), 'x')
  }
})

test('stop ends QEMU, start brings the same disk back', async () => {
  const address = await addressOf('web')
  await inGuest(address, key, 'echo kept >note; sync')
  const running = guestPids(cloud.stateDir).length
  await openstack.run('server', 'stop', 'web')
  await become('web', 'SHUTOFF')
  assert.equal(guestPids(cloud.stateDir).length, running - 1)
  assert.match(await openstack.refusal('server', 'stop', 'web'), /HTTP 409/)
  await openstack.run('server', 'start', 'web')
  await become('web', 'ACTIVE')
  assert.equal(await inGuest(address, key, 'cat note runs'), 'kept\nx')
})

test('the events of a server tell what was done to it', async () => {
  const events = await openstack.json<Row[]>('server', 'event', 'list', 'web')
  assert.deepEqual(events.map((event) => String(event['Action'])).toSorted(), ['create', 'reboot', 'start', 'stop'])
  const request = String(events.find((event) => event['Action'] === 'stop')?.['Request ID'])
  assert.match(request, /^req-/)
  const shown = await openstack.json('server', 'event', 'show', 'web', request)
  assert.equal(shown['action'], 'stop')
})

test('hypervisors, services, zones and limits', async () => {
  const [hypervisor = {}] = await admin.json<Row[]>('hypervisor', 'list')
  assert.deepEqual([hypervisor['Hypervisor Type'], hypervisor['State']], ['QEMU', 'up'])
  const shown = await admin.json('hypervisor', 'show', String(hypervisor['Hypervisor Hostname']))
  assert.equal(shown['status'], 'enabled')
  const services = await admin.json<Row[]>('compute', 'service', 'list')
  assert.ok(services.some((service) => service['Binary'] === 'nova-compute' && service['State'] === 'up'))
  const zones = await openstack.json<Row[]>('availability', 'zone', 'list', '--compute')
  assert.deepEqual(
    zones.map((zone) => [zone['Zone Name'], zone['Zone Status']]),
    [['nova', 'available']],
  )
  const limits = await openstack.json<Row[]>('limits', 'show', '--absolute')
  const limit = (name: string) => limits.find((row) => row['Name'] === name)?.['Value']
  assert.deepEqual([limit('maxTotalInstances'), limit('totalInstancesUsed'), limit('totalRAMUsed')], [-1, 2, 384])
})

test('a flavor without a disk size gives the disk the size of the image', async () => {
  await admin.run('flavor', 'create', '--ram', '192', '--disk', '0', '--vcpus', '1', 'diskless')
  const made = await admin.json(
    'server',
    'create',
    '--flavor',
    'diskless',
    '--image',
    'demo',
    '--network',
    'private',
    '--wait',
    'as-image',
  )
  const size = (file: string) =>
    (JSON.parse(execFileSync('qemu-img', ['info', '-U', '--output', 'json', file], { encoding: 'utf8' })) as Row)[
      'virtual-size'
    ]
  assert.equal(size(join(cloud.stateDir, 'instances', String(made['id']), 'disk')), size(await demoImage()))
  await admin.run('server', 'delete', '--wait', 'as-image')
  await admin.run('flavor', 'delete', 'diskless')
})

test('after the servers are deleted nothing of them is left but the port that was given', async () => {
  await openstack.run('server', 'delete', '--wait', 'web', 'drive')
  assert.deepEqual(await names('server', 'list'), [])
  assert.equal((await openstack.json('port', 'show', 'held'))['device_id'], '')
  await openstack.run('port', 'delete', 'held')
  await openstack.run('keypair', 'delete', 'mine')
  const left = await leftoversOf(cloud.stateDir, cloud.installationId())
  assert.deepEqual(left, {
    domains: [],
    guests: 0,
    namespaces: [],
    links: [],
    filterLines: 0,
    hostTables: left.hostTables,
    dnsmasqs: 0,
    leases: 0,
    routes: [],
    files: [],
    ports: 0,
    allocations: 0,
    unfinishedTasks: [],
    owed: 0,
  })
})
