/** Imports: from hosts of the web that are allowed and nowhere else, and of bytes that were staged; what becomes of them is told by tasks. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { refusedSamples } from '@kilonova/disk-image/samples.ts'
import { testImage, type Person, type TestImage } from '../test-cloud.ts'
import { allowedUrl, openWebSource, type Resolve } from './web-source.ts'

type Body = Readonly<Record<string, unknown>>
type Answer = (request: IncomingMessage, response: ServerResponse) => void

const DATA = randomBytes(300_000)
let answer: Answer = () => {}
const web = createServer((request, response) => answer(request, response)).listen(0, '127.0.0.1')
await once(web, 'listening')
const { port } = web.address() as AddressInfo
/** What names are, from one question to the next. */
let names: Record<string, string[][]> = {}
const resolve: Resolve = async (host) => {
  const answers = names[host] ?? []
  const addresses = (answers.length > 1 ? answers.shift() : answers[0]) ?? []
  return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
}
const sources = {
  allowedHosts: ['mirror.test', 'Other.test', '127.0.0.1', '::1', 'hidden.test'],
  allowedPorts: [port],
  allowedNetworks: ['127.0.0.1/32'],
}

let cloud: TestImage
let demo: Person
let admin: Person
before(async () => {
  cloud = await testImage({ webSources: sources, resolve, maxImageBytes: 5_000_000 })
  ;[demo, admin] = await Promise.all([cloud.person('demo'), cloud.person('admin')])
})
after(async () => {
  await cloud.close()
  web.close()
})
beforeEach(() => {
  names = { 'mirror.test': [['127.0.0.1']], 'other.test': [['127.0.0.1']] }
  answer = (_request, response) => response.end(DATA)
})

async function make(format = 'raw'): Promise<string> {
  const body = { container_format: 'bare', disk_format: format }
  return ((await demo.call('POST', '/v2/images', body)).body as { id: string }).id
}
const show = async (id: string) => (await demo.call('GET', `/v2/images/${id}`)).body as Body
const url = (path = '/image', host = 'mirror.test') => `http://${host}:${port}${path}`
const ask = (id: string, uri: string) =>
  demo.call('POST', `/v2/images/${id}/import`, { method: { name: 'web-download', uri } })
async function taskOf(id: string): Promise<Body> {
  for (;;) {
    const { tasks } = (await demo.call('GET', `/v2/images/${id}/tasks`)).body as { tasks: Body[] }
    const [task = {}] = tasks
    if (task['status'] === 'success' || task['status'] === 'failure') return task
    await new Promise((next) => setImmediate(next))
  }
}
async function failure(uri: string, format = 'raw'): Promise<string> {
  const id = await make(format)
  assert.equal((await ask(id, uri)).status, 202, uri)
  const task = await taskOf(id)
  assert.equal(task['status'], 'failure')
  assert.equal((await show(id))['status'], 'queued')
  return String(task['message'])
}

test('an image is fetched from a host that is allowed, and its task tells how it went', async () => {
  const id = await make()
  assert.deepEqual(await ask(id, url()).then(({ status, body }) => [status, body]), [202, undefined])
  const task = await taskOf(id)
  assert.equal(task['status'], 'success')
  assert.deepEqual(
    [task['type'], task['image_id'], task['owner'], task['message']],
    ['api_image_import', id, demo.projectId, ''],
  )
  const image = await show(id)
  assert.deepEqual([image['status'], image['size']], ['active', DATA.length])
  const { body } = await admin.call('GET', `/v2/tasks/${String(task['id'])}`)
  assert.deepEqual(body, task)
  assert.equal((await demo.call('GET', `/v2/tasks/${String(task['id'])}`)).status, 403)
  const { tasks } = (await admin.call('GET', '/v2/tasks?status=success&limit=1')).body as { tasks: Body[] }
  assert.equal(tasks[0]?.['id'], task['id'])
  assert.equal((await admin.call('GET', '/v2/tasks?status=lost')).status, 400)
  assert.equal((await ask(id, url())).status, 409)
})

test('what may be imported from where is told, and asked for in order', async () => {
  const { body } = await demo.call('GET', '/v2/info/import')
  assert.deepEqual((body as { 'import-methods': Body })['import-methods']['value'], ['glance-direct', 'web-download'])
  assert.equal((await demo.call('GET', '/v2/info/stores')).status, 404)
  const made = await demo.call('POST', '/v2/images', {})
  assert.equal(made.headers['openstack-image-import-methods'], 'glance-direct,web-download')
  const { id } = made.body as { id: string }
  assert.equal((await ask(id, url())).status, 409)
  const ready = await make()
  const post = (json: unknown) => demo.call('POST', `/v2/images/${ready}/import`, json)
  for (const [json, status] of [
    [{}, 400],
    [{ method: { name: 'copy-image' } }, 400],
    [{ method: { name: 'web-download' } }, 400],
    [{ method: { name: 'glance-direct' } }, 409],
  ] as const)
    assert.equal((await post(json)).status, status, JSON.stringify(json))
  const reader = await cloud.person('reader')
  const other = await cloud.person('other')
  const json = { method: { name: 'web-download', uri: url() } }
  assert.equal((await reader.call('POST', `/v2/images/${ready}/import`, json)).status, 403)
  assert.equal((await other.call('POST', `/v2/images/${ready}/import`, json)).status, 404)
})

test('a URL that is not on the list is refused at once', async () => {
  const id = await make()
  for (const uri of [
    'http://elsewhere.test/image',
    `https://user:secret@mirror.test:${port}/image`,
    `http://mirror.test/image`,
    `ftp://mirror.test:${port}/image`,
    'file:///etc/shadow',
    `http://mirror.test.evil:${port}/`,
    `http://evil.test#@mirror.test:${port}/`,
    'http://2130706433/',
    'nonsense',
    '',
  ])
    assert.equal((await ask(id, uri)).status, 400, uri)
  assert.equal((await show(id))['status'], 'queued')
  assert.equal(allowedUrl(url('/x', 'OTHER.test.'), sources).pathname, '/x')
  assert.throws(() => allowedUrl(url(), { ...sources, allowedHosts: [] }), /does not pass filtering/)
})

test('a name at an address of this machine, this site or a cloud’s metadata is refused, whichever way it is written', async () => {
  for (const address of [
    '127.0.0.2',
    '10.1.2.3',
    '172.20.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '198.18.0.1',
    '::',
    '::1',
    'fe80::1',
    'fd00:ec2::254',
    'ff02::1',
    '::ffff:169.254.169.254',
    '::ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001::1',
    '2001:db8::1',
  ]) {
    // prettier-ignore
    names['mirror.test'] = [[address]]
    assert.match(await failure(url()), /mirror\.test is at a private address/, address)
    names['mirror.test'] = [['127.0.0.1', address]]
    assert.match(await failure(url()), /private address/, address)
  }
  assert.match(await failure(url('/', '[::1]')), /::1 is at a private address/)
  names['mirror.test'] = [[]]
  assert.match(await failure(url()), /no address/)
})

test('a global address is no private one', async () => {
  for (const address of ['93.184.215.14', '1.1.1.1', '2606:4700::1111', '2a00:1450:4001::1']) {
    names['mirror.test'] = [[address]]
    const stopped = AbortSignal.abort(new Error('not today'))
    await assert.rejects(openWebSource(url(), sources, stopped, resolve), /cannot be read/, address)
  }
})

test('a name that means another machine the next moment does not lead there', async () => {
  names['mirror.test'] = [['127.0.0.1'], ['169.254.169.254']]
  const id = await make()
  await ask(id, url())
  assert.equal((await taskOf(id))['status'], 'success')
  assert.deepEqual(names['mirror.test'], [['169.254.169.254']])
})

test('redirects are followed, a few, and held to the same rules', async () => {
  const to = (location: string, status = 302) => {
    answer = (request, response) =>
      request.url === '/image' ? response.writeHead(status, { location }).end() : response.end(DATA)
  }
  to('/there')
  const id = await make()
  await ask(id, url())
  assert.equal((await taskOf(id))['status'], 'success')
  to(url('/there', 'other.test'), 307)
  const passed = await make()
  await ask(passed, url())
  assert.equal((await taskOf(passed))['status'], 'success')
  to('http://169.254.169.254/latest/meta-data/')
  assert.match(await failure(url()), /does not pass filtering/)
  names['hidden.test'] = [['10.0.0.1']]
  to(url('/', 'hidden.test'))
  assert.match(await failure(url()), /hidden\.test is at a private address/)
  to('file:///etc/shadow')
  assert.match(await failure(url()), /does not pass filtering/)
  to('/image')
  assert.match(await failure(url()), /passed on more than/)
})

test('what breaks off, is refused, too large or encoded leaves nothing', async () => {
  const kept = () => readdir(join(cloud.directory, 'content'))
  const before = await kept()
  answer = (_request, response) => response.writeHead(404).end()
  assert.match(await failure(url()), /answered 404/)
  answer = (_request, response) => {
    response.writeHead(200, { 'content-length': '1000000' })
    response.write(DATA, () => response.destroy())
  }
  assert.match(await failure(url()), /cut short/)
  answer = (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(DATA)
  assert.match(await failure(url()), /encoded as gzip/)
  answer = (_request, response) => response.end(Buffer.alloc(5_000_001))
  assert.match(await failure(url()), /larger than/)
  const [bad] = refusedSamples()
  answer = (_request, response) => response.end(bad?.bytes)
  assert.match(await failure(url(), bad?.declared), bad?.reason ?? /never/)
  assert.deepEqual([await kept(), await readdir(join(cloud.directory, 'uploads'))], [before, []])
})

test('an image that is deleted while it is fetched stays deleted', async () => {
  const id = await make()
  const asked = Promise.withResolvers<ServerResponse>()
  answer = (_request, response) => asked.resolve(response)
  await ask(id, url())
  const response = await asked.promise
  assert.equal((await show(id))['status'], 'importing')
  const { tasks } = (await admin.call('GET', '/v2/tasks?status=processing')).body as { tasks: Body[] }
  assert.equal((await demo.call('DELETE', `/v2/images/${id}`)).status, 204)
  response.end(DATA.subarray(1))
  let task: Body = {}
  while (task['status'] !== 'failure')
    task = (await admin.call('GET', `/v2/tasks/${String(tasks[0]?.['id'])}`)).body as Body
  assert.match(String(task['message']), /was deleted/)
})

test('bytes can be staged first and imported then', async () => {
  const stage = async (id: string, bytes: Buffer) =>
    fetch(`${cloud.image.url}/v2/images/${id}/stage`, {
      method: 'PUT',
      headers: { 'x-auth-token': demo.token, 'content-type': 'application/octet-stream' },
      body: new Uint8Array(bytes),
    })
  const direct = (id: string) => demo.call('POST', `/v2/images/${id}/import`, { method: { name: 'glance-direct' } })
  const id = await make()
  assert.equal((await stage(id, DATA)).status, 204)
  assert.equal((await show(id))['status'], 'uploading')
  assert.equal((await stage(id, DATA)).status, 409)
  assert.equal((await direct(id)).status, 202)
  assert.equal((await taskOf(id))['status'], 'success')
  assert.deepEqual([(await show(id))['status'], (await show(id))['size']], ['active', DATA.length])
  const dropped = await make()
  await stage(dropped, DATA)
  assert.equal((await demo.call('DELETE', `/v2/images/${dropped}`)).status, 204)
  assert.deepEqual(await readdir(join(cloud.directory, 'uploads')), [])
})
