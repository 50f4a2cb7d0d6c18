/** The image client: facts and bytes, and what the service's statuses mean. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { glance } from './glance.ts'
import { fakeKeystone, handClock, httpService } from './testing.ts'

const body = {
  id: 'i1',
  name: 'demo',
  status: 'active',
  disk_format: 'qcow2',
  container_format: 'bare',
  min_disk: 1,
  min_ram: 64,
  size: 10,
  virtual_size: 1024,
  checksum: 'md5sum',
  os_hash_algo: 'sha512',
  os_hash_value: 'abc',
  visibility: 'public',
  tags: [],
  owner: 'p',
  hw_machine_type: 'q35',
  os_distro: 'x',
  stores: 'a',
  kernel_id: null,
}

test('an image is read with the user’s token, its custom properties apart', async (t) => {
  const http = await httpService(t, ({ path }) => (path === '/v2/images/i1' ? { json: body } : undefined))
  const images = glance(fakeKeystone({ image: `${http.url}/v2` }), { endpoint: undefined, clock: handClock() })
  assert.deepEqual(await images.show('i1', 'user-token'), {
    id: 'i1',
    name: 'demo',
    status: 'active',
    diskFormat: 'qcow2',
    containerFormat: 'bare',
    minDiskGb: 1,
    minRamMb: 64,
    sizeBytes: 10,
    virtualSizeBytes: 1024,
    hashAlgorithm: 'sha512',
    hash: 'abc',
    properties: { hw_machine_type: 'q35', os_distro: 'x' },
  })
  assert.equal(http.asked[0]?.headers['x-auth-token'], 'user-token')
  assert.equal(await images.show('i2', 'user-token'), undefined)
})

test('an active image is kept a moment, per token; one that is not ready never', async (t) => {
  let status = 'queued'
  const http = await httpService(t, () => ({ json: { ...body, status, os_hash_algo: null, os_hash_value: null } }))
  const clock = handClock()
  const images = glance(fakeKeystone({}), { endpoint: http.url, clock })
  assert.equal((await images.show('i1', 'a'))?.status, 'queued')
  status = 'active'
  const active = await images.show('i1', 'a')
  assert.deepEqual([active?.status, active?.hashAlgorithm, active?.hash], ['active', 'md5', 'md5sum'])
  await images.show('i1', 'a')
  assert.equal(http.asked.length, 2)
  await images.show('i1', 'b')
  assert.equal(http.asked.length, 3)
  clock.pass(2_000)
  await images.show('i1', 'a')
  assert.equal(http.asked.length, 4)
})

test('the checksum is one that hosts can check', async (t) => {
  let sum: object = {}
  const http = await httpService(t, () => ({ json: { ...body, ...sum } }))
  const clock = handClock()
  const images = glance(fakeKeystone({}), { endpoint: http.url, clock })
  for (const [algorithm, found] of [
    ['sha256', ['sha256', 'abc']],
    ['sha3_512', ['sha3-512', 'abc']],
    ['blake2b', ['blake2b512', 'abc']],
    ['of-next-year', ['md5', 'md5sum']],
    [null, ['md5', 'md5sum']],
  ] as const) {
    sum = { os_hash_algo: algorithm }
    clock.pass(2_000)
    const { hashAlgorithm, hash } = (await images.show('i1')) ?? {}
    assert.deepEqual([hashAlgorithm, hash], found)
  }
})

test('bytes are downloaded with our token, renewed once; a gone image is undefined', async (t) => {
  const http = await httpService(t, ({ path, headers }) => {
    if (path !== '/v2/images/i1/file') return undefined
    return headers['x-auth-token'] === 'ours-1' ? { status: 401 } : { bytes: Buffer.from('content') }
  })
  const images = glance(fakeKeystone({ image: http.url }), { endpoint: undefined, clock: handClock() })
  const message = await images.download('i1')
  assert.ok(message)
  assert.equal((await buffer(message)).toString(), 'content')
  assert.equal(await images.download('i2'), undefined)
})

test('a server error and silence are worth another try, a refusal is not', async (t) => {
  let status = 500
  const http = await httpService(t, () => ({ status, json: { message: 'words' } }))
  const images = glance(fakeKeystone({}), { endpoint: http.url, clock: handClock() })
  await assert.rejects(images.show('i1', 'a'), { kind: 'unavailable' })
  await assert.rejects(images.download('i1'), { kind: 'unavailable' })
  status = 403
  await assert.rejects(images.show('i1', 'a'), { name: 'ServiceRefused', message: /words/ })
  await http.close()
  await assert.rejects(images.download('i1'), { kind: 'unavailable' })
})

const NEW = {
  id: 'n1',
  name: 'copy',
  owner: 'p',
  visibility: 'private',
  diskFormat: 'qcow2',
  minDiskGb: 1,
  minRamMb: 0,
  properties: { image_type: 'snapshot' },
} as const

test('an image is made, once; what the service forbids is forbidden', async (t) => {
  let status = 201
  const http = await httpService(t, () => ({ status, json: { message: 'your quota is used up' } }))
  const images = glance(fakeKeystone({}), { endpoint: http.url, clock: handClock() })
  await images.create(NEW, 'user-token')
  const [asked] = http.asked
  assert.deepEqual(
    [asked?.method, asked?.path, asked?.headers['x-auth-token'], asked?.json],
    [
      'POST',
      '/v2/images',
      'user-token',
      {
        id: 'n1',
        name: 'copy',
        owner: 'p',
        visibility: 'private',
        disk_format: 'qcow2',
        container_format: 'bare',
        min_disk: 1,
        min_ram: 0,
        image_type: 'snapshot',
      },
    ],
  )
  status = 409
  await images.create(NEW)
  for (status of [403, 413])
    await assert.rejects(images.create(NEW), { name: 'ImageForbidden', message: 'your quota is used up' })
  status = 400
  await assert.rejects(images.create(NEW), { name: 'ServiceRefused' })
})

test('an image that is gone is removed; one that is protected is not', async (t) => {
  let status = 204
  const http = await httpService(t, () => ({ status, json: { message: 'it is protected' } }))
  const images = glance(fakeKeystone({}), { endpoint: http.url, clock: handClock() })
  for (status of [204, 404, 410]) await images.remove('n1')
  status = 403
  await assert.rejects(images.remove('n1'), { name: 'ServiceRefused' })
})

test('images are found by their properties, newest first', async (t) => {
  const http = await httpService(t, () => ({ json: { images: [{ id: 'b' }, { id: 'a' }] } }))
  const images = glance(fakeKeystone({}), { endpoint: http.url, clock: handClock() })
  assert.deepEqual(await images.withProperties('p', { instance_uuid: 's' }), ['b', 'a'])
  assert.equal(http.asked[0]?.query.toString(), 'owner=p&instance_uuid=s&sort=created_at%3Adesc&limit=1000')
})

test('content is sent as it comes, with our token; what the service says of it is told', async (t) => {
  const seen: { token: unknown; body: string }[] = []
  let status = 204
  const service = createServer((request, reply) => {
    if (request.method === 'GET') return void reply.end('{}')
    void buffer(request).then((content) => {
      seen.push({ token: request.headers['x-auth-token'], body: content.toString() })
      reply.writeHead(status).end(status < 300 ? undefined : '{"message":"no"}')
    })
  })
  await once(service.listen(0, '127.0.0.1'), 'listening')
  t.after(() => void service.close())
  const endpoint = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
  const images = glance(fakeKeystone({}), { endpoint, clock: handClock() })
  await images.upload('n1', Readable.from(['a ', 'disk']))
  assert.deepEqual(seen, [{ token: 'ours-1', body: 'a disk' }])
  status = 409
  await assert.rejects(images.upload('n1', Readable.from(['x'])), { name: 'ServiceRefused' })
  status = 503
  await assert.rejects(images.upload('n1', Readable.from(['x'])), { name: 'ServiceUnavailable' })
})
