// Images as users have them, with the stock clients; and images that are not to be trusted: no program ever reads one.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import type { Session } from '@kilonova/cloud/session.ts'
import { refusedSamples, usableSamples, type Sample } from '@kilonova/disk-image/samples.ts'
import { cloudProcess, type CloudProcess } from './cloud-process.ts'
import { demoImage } from './demo-image.ts'
import { consoleShows, createServer as bootServer, prompts, settled } from './servers.ts'
import { stockClient, type StockClient } from './stock-client.ts'
import { tracedQemuImg } from './traced-qemu-img.ts'

const trace = tracedQemuImg()
const folder = mkdtempSync(join(tmpdir(), 'images-'))
const data = randomBytes(3_000_000)
const web = createServer((request, reply) => {
  if (request.url === '/moved') reply.writeHead(302, { location: 'http://169.254.169.254/latest/' }).end()
  else reply.end(data)
}).listen(0, '127.0.0.1')
await once(web, 'listening')
const { port } = web.address() as AddressInfo

let cloud: CloudProcess
let openstack: StockClient
let admin: StockClient
let session: Session
before(async () => {
  writeFileSync(join(folder, 'data'), data)
  cloud = await cloudProcess({
    launcher: trace.launcher,
    configuration: `[image_companion]
      allowed_hosts = 127.0.0.1, 169.254.169.254
      allowed_ports = 80, ${port}
      allowed_private_networks = 127.0.0.1/32
      [quota]
      instances = 40
      cores = 40`.replaceAll(/^ +/gm, ''),
  })
  await cloud.start()
  openstack = stockClient(cloud)
  admin = stockClient(cloud, 'kilonova-admin')
  session = await cloud.session('demo')
})
after(async () => {
  await cloud.remove()
  trace.remove()
  web.close()
  rmSync(folder, { recursive: true, force: true })
})

type Row = Readonly<Record<string, unknown>>
const file = join(folder, 'data')
const names = async (...filter: readonly string[]): Promise<readonly string[]> =>
  (await openstack.json<Row[]>('image', 'list', ...filter)).map((row) => String(row['Name'])).toSorted()
const create = (name: string, ...more: readonly string[]) =>
  openstack.value('id', 'image', 'create', name, '--file', file, '--disk-format', 'raw', ...more)

test('an image is created, shown with its sums, saved as it was, changed, and deleted', async () => {
  await create('one', '--property', 'os_distro=kilo', '--tag', 'red', '--min-disk', '1', '--private')
  const shown = await openstack.json('image', 'show', 'one')
  const properties = shown['properties'] as Row
  assert.deepEqual(
    [shown['status'], shown['size'], shown['visibility'], shown['min_disk'], shown['tags']],
    ['active', data.length, 'private', 1, ['red']],
  )
  assert.equal(shown['checksum'], createHash('md5').update(data).digest('hex'))
  assert.deepEqual([properties['os_hash_algo'], properties['os_distro']], ['sha512', 'kilo'])
  assert.equal(properties['os_hash_value'], createHash('sha512').update(data).digest('hex'))
  const saved = join(folder, 'saved')
  await openstack.run('image', 'save', '--file', saved, 'one')
  assert.ok(readFileSync(saved).equals(data))
  await openstack.run('image', 'set', '--name', 'two', '--property', 'a=b', '--tag', 'blue', '--protected', 'one')
  await openstack.run('image', 'unset', '--property', 'os_distro', '--tag', 'red', 'two')
  const changed = await openstack.json('image', 'show', 'two')
  assert.deepEqual([changed['tags'], (changed['properties'] as Row)['a'], changed['protected']], [['blue'], 'b', true])
  assert.deepEqual(await names('--tag', 'blue', '--property', 'a=b'), ['two'])
  assert.match(await openstack.refusal('image', 'delete', 'two'), /protected/)
  await openstack.run('image', 'set', '--unprotected', 'two')
  await openstack.run('image', 'delete', 'two')
  assert.deepEqual(await names(), ['demo'])
})

test('an image is shared with a project that accepts it, given to the community, and made public by an administrator alone', async () => {
  const id = await create('ours', '--shared')
  const friend = await admin.value('id', 'project', 'create', 'friend')
  await admin.run('role', 'add', '--user', 'demo', '--project', 'friend', 'member')
  const cloudsYaml = join(folder, 'clouds.yaml')
  const entries = readFileSync(cloud.cloudsYaml, 'utf8')
  writeFileSync(cloudsYaml, entries.replace('project_name: "demo"', 'project_name: "friend"'))
  const inFriend = stockClient({ ...cloud, cloudsYaml })
  const theirs = async (...filter: readonly string[]) =>
    (await inFriend.json<Row[]>('image', 'list', ...filter)).map((row) => row['ID'])
  await openstack.run('image', 'add', 'project', id, friend)
  assert.deepEqual([await theirs('--shared'), (await theirs('--member-status', 'pending')).includes(id)], [[], true])
  await inFriend.run('image', 'set', '--accept', id)
  const members = await openstack.json<Row[]>('image', 'member', 'list', id)
  assert.deepEqual(
    members.map((row) => [row['Member ID'], row['Status']]),
    [[friend, 'accepted']],
  )
  assert.ok((await theirs()).includes(id))
  await openstack.run('image', 'remove', 'project', id, friend)
  assert.ok(!(await theirs()).includes(id))
  await openstack.run('image', 'set', '--community', id)
  assert.ok(!(await theirs()).includes(id) && (await theirs('--community')).includes(id))
  assert.match(await openstack.refusal('image', 'set', '--public', id), /403/)
  await admin.run('image', 'set', '--public', id)
  assert.ok((await theirs('--public')).includes(id))
  await openstack.run('image', 'set', '--deactivate', id)
  assert.match(await openstack.refusal('image', 'save', '--file', join(folder, 'no'), id), /Unable to download/)
  await openstack.run('image', 'set', '--activate', id)
  await admin.run('image', 'delete', id)
})

test('an image is imported from a host that is allowed, or staged first; not from elsewhere', async () => {
  await openstack.run('image', 'create', 'staged', '--file', file, '--disk-format', 'raw', '--import')
  const fetchImage = async (name: string, uri: string): Promise<string> => {
    const facts = { name, container_format: 'bare', disk_format: 'raw' }
    const { id } = (await session.call('image', 'POST', '/v2/images', facts)).body as { id: string }
    await session.call('image', 'POST', `/v2/images/${id}/import`, { method: { name: 'web-download', uri } })
    return id
  }
  await fetchImage('fetched', `http://127.0.0.1:${port}/image`)
  for (const name of ['staged', 'fetched']) {
    while ((await openstack.value('status', 'image', 'show', name)) !== 'active');
    assert.equal(await openstack.value('checksum', 'image', 'show', name), createHash('md5').update(data).digest('hex'))
  }
  await assert.rejects(fetchImage('elsewhere', 'http://example.invalid/image'), /does not pass filtering/)
  for (const [name, uri] of [
    ['metadata', 'http://169.254.169.254/latest/'],
    ['moved', `http://127.0.0.1:${port}/moved`],
  ] as const) {
    const id = await fetchImage(name, uri)
    let task: Row = {}
    while (task['status'] !== 'failure')
      [task = {}] = ((await session.call('image', 'GET', `/v2/images/${id}/tasks`)).body as { tasks: Row[] }).tasks
    assert.match(String(task['message']), /private address/)
  }
})

/** Status and words of an upload. */
async function upload({ name, declared, bytes }: Sample): Promise<{ id: string; status: number; message: string }> {
  const facts = { name, container_format: 'bare', disk_format: declared }
  const { id } = (await session.call('image', 'POST', '/v2/images', facts)).body as { id: string }
  const answer = await fetch(`${cloud.url('image')}/v2/images/${id}/file`, {
    method: 'PUT',
    headers: { 'x-auth-token': session.token, 'content-type': 'application/octet-stream' },
    body: new Uint8Array(bytes),
  })
  const text = await answer.text()
  return { id, status: answer.status, message: text === '' ? '' : (JSON.parse(text) as { message: string }).message }
}
const delImage = (id: string) => session.call('image', 'DELETE', `/v2/images/${id}`)

test('every image that is not to be trusted is refused for its reason, and qemu-img never sees one', async () => {
  for (const sample of refusedSamples()) {
    const { id, status, message } = await upload(sample)
    assert.equal(status, 415, sample.name)
    assert.match(message, sample.reason)
    const { body } = await session.call('image', 'GET', `/v2/images/${id}`)
    assert.deepEqual([(body as Row)['status'], (body as Row)['size']], ['queued', null])
    await delImage(id)
  }
  assert.deepEqual(trace.runs(), [])
})

const rest = async (id: string) => settled(session, id, ['ACTIVE', 'ERROR'], 90_000)

/** As if the image service had let it in: its row and its bytes are put where they belong, behind its back. */
async function smuggle({ name, declared, bytes }: Sample): Promise<string> {
  const facts = { name, container_format: 'bare', disk_format: declared }
  const { id } = (await session.call('image', 'POST', '/v2/images', facts)).body as { id: string }
  const hash = createHash('sha512').update(bytes).digest('hex')
  writeFileSync(join(cloud.stateDir, 'images/content', hash), bytes)
  const database = new DatabaseSync(join(cloud.stateDir, 'image.sqlite'), { timeout: 10_000 })
  database
    .prepare(`update images set status = 'active', size = ?, checksum = ?, os_hash_value = ? where id = ?`)
    .run(bytes.length, createHash('md5').update(bytes).digest('hex'), hash, id)
  database.close()
  return id
}

test('an image service that lets one in does not help it: the host refuses it before qemu-img', async () => {
  const samples = refusedSamples().filter(({ declared }) => !['ami', 'ploop'].includes(declared))
  // One of each format is enough here: the host asks the same inspector, which was asked about all of them above.
  const chosen = [...new Map(samples.toReversed().map((sample) => [sample.declared, sample])).values()]
  assert.deepEqual(
    new Set(chosen.map(({ declared }) => declared)),
    new Set(['qcow2', 'raw', 'iso', 'vmdk', 'vdi', 'vhd', 'vhdx']),
  )
  for (const sample of chosen) {
    const image = await smuggle(sample)
    const id = await bootServer(session, { name: sample.name, imageId: image })
    const server = await rest(id)
    assert.equal(server?.status, 'ERROR', sample.name)
    assert.match(server?.fault?.message ?? '', sample.reason)
    await session.call('compute', 'DELETE', `/servers/${id}`)
    await delImage(image)
  }
  assert.deepEqual(trace.runs(), [])
})

test('an image that is what it says is read by qemu-img, within limits, and boots', async () => {
  const raw = usableSamples().find(({ name }) => name === 'qcow2')
  assert.ok(raw)
  const { id, status } = await upload(raw)
  assert.equal(status, 204)
  const empty = await bootServer(session, { name: 'empty', imageId: id })
  assert.equal((await rest(empty))?.status, 'ACTIVE')
  assert.deepEqual(
    trace.runs().map(({ args }) => args.split(' ')[0]),
    ['create'],
  )
  const vmdk = join(folder, 'demo.vmdk')
  execFileSync('qemu-img', [
    'convert',
    '-f',
    'qcow2',
    '-O',
    'vmdk',
    '-o',
    'subformat=streamOptimized',
    await demoImage(),
    vmdk,
  ])
  const image = await upload({ name: 'demo.vmdk', declared: 'vmdk', bytes: readFileSync(vmdk) })
  assert.equal(image.status, 204)
  const server = await bootServer(session, { name: 'from-vmdk', imageId: image.id })
  assert.equal((await rest(server))?.status, 'ACTIVE')
  assert.ok(trace.runs().some(({ args }) => args.startsWith('convert -q -f vmdk -O qcow2 ')))
  for (const { args, cpuSeconds, memoryKb } of trace.runs())
    assert.ok(cpuSeconds <= 600 && memoryKb <= 1024 ** 2, `${args}: ${cpuSeconds} s, ${memoryKb} kB`)
  await consoleShows(session, server, (text) => prompts(text) === 1)
})
