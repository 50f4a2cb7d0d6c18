/** The bytes of images: what arrives is what is given back, and what fails leaves nothing. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { refusedSamples, usableSamples } from '@kilonova/disk-image/samples.ts'
import { testImage, type Person, type TestImage } from '../test-cloud.ts'
import { parseRange } from './api/file.ts'
import { openContent } from './content.ts'

const MAX_BYTES = 5 * 1024 * 1024
let cloud: TestImage
let demo: Person
before(async () => {
  cloud = await testImage({ maxImageBytes: MAX_BYTES })
  demo = await cloud.person('demo')
})
after(() => cloud.close())

type Image = Readonly<Record<string, unknown>>

async function make(format = 'raw'): Promise<string> {
  const { body } = await demo.call('POST', '/v2/images', { container_format: 'bare', disk_format: format })
  return (body as { id: string }).id
}
const show = async (id: string) => (await demo.call('GET', `/v2/images/${id}`)).body as Image
const headers = () => ({ 'x-auth-token': demo.token, 'content-type': 'application/octet-stream' })
const put = (id: string, body: Buffer) =>
  fetch(`${cloud.image.url}/v2/images/${id}/file`, { method: 'PUT', headers: headers(), body: new Uint8Array(body) })
const get = (id: string, extra: Record<string, string> = {}) =>
  fetch(`${cloud.image.url}/v2/images/${id}/file`, { headers: { 'x-auth-token': demo.token, ...extra } })
const kept = () => readdir(join(cloud.directory, 'content'))
const uploads = () => readdir(join(cloud.directory, 'uploads'))

/** An upload whose parts are sent by hand. */
function slowly(id: string): ClientRequest {
  const out = httpRequest(`${cloud.image.url}/v2/images/${id}/file`, { method: 'PUT', headers: headers() })
  out.on('error', () => {})
  return out
}
const uploading = async (id: string): Promise<void> => {
  while ((await show(id))['status'] !== 'saving') await new Promise((done) => setImmediate(done))
}

test('bytes come back as they were sent, with their sums and sizes', async () => {
  const id = await make()
  assert.equal((await get(id)).status, 204)
  const data = randomBytes(1_000_000)
  assert.equal((await put(id, data)).status, 204)
  const image = await show(id)
  const [md5, sha512] = ['md5', 'sha512'].map((name) => createHash(name).update(data).digest('hex'))
  assert.deepEqual(
    [
      image['status'],
      image['size'],
      image['virtual_size'],
      image['checksum'],
      image['os_hash_algo'],
      image['os_hash_value'],
    ],
    ['active', data.length, data.length, md5, 'sha512', sha512],
  )
  const answer = await get(id)
  assert.equal(answer.headers.get('content-md5'), md5)
  assert.equal(answer.headers.get('content-length'), String(data.length))
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(data))
  const part = await get(id, { range: 'bytes=10-19' })
  assert.deepEqual([part.status, part.headers.get('content-range')], [206, `bytes 10-19/${data.length}`])
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(data.subarray(10, 20)))
  assert.equal((await get(id, { range: `bytes=${data.length}-` })).status, 416)
  assert.equal((await put(id, data)).status, 409)
})

test('an empty image is an image', async () => {
  const id = await make()
  assert.equal((await put(id, Buffer.alloc(0))).status, 204)
  assert.equal((await show(id))['size'], 0)
  assert.equal((await (await get(id)).arrayBuffer()).byteLength, 0)
})

test('a disk tells its virtual size', async () => {
  for (const { name, declared, bytes, virtualBytes } of usableSamples()) {
    const id = await make(declared)
    assert.equal((await put(id, bytes)).status, 204, name)
    assert.equal((await show(id))['virtual_size'], virtualBytes, name)
  }
})

test('what is not to be trusted is refused, and the image stays queued and without a byte', async () => {
  const before = await kept()
  for (const { name, declared, bytes, reason } of refusedSamples()) {
    const id = await make(declared)
    const answer = await put(id, bytes)
    assert.equal(answer.status, 415, name)
    assert.match(((await answer.json()) as { message: string }).message, reason)
    assert.equal((await show(id))['status'], 'queued')
  }
  assert.deepEqual([await kept(), await uploads()], [before, []])
})

test('a bad head ends an upload before its body is written, however it is sent', async () => {
  const { bytes, declared } = refusedSamples()[0] ?? { bytes: Buffer.alloc(0), declared: '' }
  const bad = await make(declared)
  assert.equal((await put(bad, Buffer.concat([bytes, randomBytes(2_000_000)]))).status, 415)
  const drip = slowly(bad)
  for (let at = 0; at < 200; at++) drip.write(bytes.subarray(at, at + 1))
  drip.write(Buffer.concat([bytes.subarray(200), randomBytes(50_000)]))
  drip.end()
  const [answer] = (await once(drip, 'response')) as [IncomingMessage]
  assert.equal(answer.resume().statusCode, 415)
  assert.equal((await show(bad))['status'], 'queued')
})

test('what no one looks into has no virtual size', async () => {
  const { body } = await demo.call('POST', '/v2/images', { container_format: 'ova', disk_format: 'vmdk' })
  const { id } = body as { id: string }
  assert.equal((await put(id, randomBytes(1000))).status, 204)
  assert.equal((await show(id))['virtual_size'], null)
})

test('identical images share their bytes until the last one goes', async () => {
  const data = randomBytes(5000)
  const [one, two] = [await make(), await make()]
  const before = (await kept()).length
  await Promise.all([put(one, data), put(two, data)])
  assert.equal((await kept()).length, before + 1)
  await demo.call('DELETE', `/v2/images/${one}`)
  assert.ok(Buffer.from(await (await get(two)).arrayBuffer()).equals(data))
  await demo.call('DELETE', `/v2/images/${two}`)
  assert.equal((await kept()).length, before)
})

test('an upload that is cut leaves a queued image and no byte', async () => {
  const id = await make()
  const failed = cloud.log.next('upload failed')
  const out = slowly(id)
  out.write(randomBytes(100_000))
  await uploading(id)
  assert.equal((await uploads()).length, 1)
  out.destroy()
  await failed
  assert.equal((await show(id))['status'], 'queued')
  assert.deepEqual(await uploads(), [])
  assert.equal((await put(id, Buffer.from('second try'))).status, 204)
})

test('an image deleted while it is uploaded stays deleted', async () => {
  const id = await make()
  const before = await kept()
  const out = slowly(id)
  out.write(randomBytes(1000))
  await uploading(id)
  assert.equal((await put(id, Buffer.from('x'))).status, 409)
  assert.equal((await demo.call('DELETE', `/v2/images/${id}`)).status, 204)
  out.end()
  const [answer] = (await once(out, 'response')) as [IncomingMessage]
  assert.equal(answer.resume().statusCode, 410)
  assert.deepEqual([await kept(), await uploads()], [before, []])
})

test('an image larger than allowed is a 413 and leaves nothing', async () => {
  const id = await make()
  const before = await kept()
  const answer = await put(id, randomBytes(MAX_BYTES + 1))
  assert.equal(answer.status, 413)
  assert.equal((await show(id))['status'], 'queued')
  assert.deepEqual([await kept(), await uploads()], [before, []])
})

test('formats must be known, data must be sent as data, and only by who may', async () => {
  const { body } = await demo.call('POST', '/v2/images', {})
  assert.equal((await put((body as { id: string }).id, Buffer.from('x'))).status, 400)
  const id = await make()
  assert.equal((await demo.call('PUT', `/v2/images/${id}/file`, { not: 'bytes' })).status, 415)
  const other = await cloud.person('other')
  const url = `${cloud.image.url}/v2/images/${id}/file`
  const stranger = { 'x-auth-token': other.token, 'content-type': 'application/octet-stream' }
  assert.equal((await fetch(url, { method: 'PUT', headers: stranger, body: 'x' })).status, 404)
  assert.equal(
    (await fetch(url, { method: 'PUT', headers: { 'content-type': 'application/octet-stream' }, body: 'x' })).status,
    401,
  )
})

test('a deactivated image is not given out to its users', async () => {
  const id = await make()
  await put(id, Buffer.from('secret'))
  const [other, reader] = await Promise.all([cloud.person('other'), cloud.person('reader')])
  assert.equal((await other.call('POST', `/v2/images/${id}/actions/deactivate`)).status, 404)
  assert.equal((await reader.call('POST', `/v2/images/${id}/actions/deactivate`)).status, 403)
  assert.equal((await demo.call('POST', `/v2/images/${id}/actions/deactivate`)).status, 204)
  assert.equal((await get(id)).status, 403)
  assert.equal((await demo.call('POST', `/v2/images/${id}/actions/reactivate`)).status, 204)
  assert.equal((await get(id)).status, 200)
})

test('a service reads every image', async () => {
  const id = await make()
  await put(id, Buffer.from('for a server'))
  const service = await cloud.person('kilonova')
  assert.equal((await service.call('GET', `/v2/images/${id}/file`)).body, 'for a server')
})

test('after a kill, half-written files and content of no image are swept', async () => {
  await writeFile(join(cloud.directory, 'uploads', 'half'), 'half')
  await writeFile(join(cloud.directory, 'content', 'nobody'), 'old')
  const known = new Set(await kept())
  known.delete('nobody')
  const content = await openContent(cloud.directory, MAX_BYTES)
  await content.sweep(known)
  assert.deepEqual(new Set(await kept()), known)
  assert.deepEqual(await uploads(), [])
})

test('a folder that cannot be written is an error, not an image', async () => {
  const id = await make()
  await rm(join(cloud.directory, 'uploads'), { recursive: true })
  assert.equal((await put(id, Buffer.from('x'))).status, 500)
  assert.equal((await show(id))['status'], 'queued')
})

test('ranges', () => {
  assert.deepEqual(parseRange('bytes=0-', 10), { start: 0, end: 9 })
  assert.deepEqual(parseRange('bytes=5-100', 10), { start: 5, end: 9 })
  assert.deepEqual(parseRange('bytes=-3', 10), { start: 7, end: 9 })
  assert.deepEqual(parseRange('bytes=-30', 10), { start: 0, end: 9 })
  for (const whole of [undefined, 'bytes=-', 'lines=1-2', 'bytes=1-2,4-5', 'bytes=5-2'])
    assert.equal(parseRange(whole, 10), undefined)
  for (const none of ['bytes=10-', 'bytes=-0']) assert.equal(parseRange(none, 10), 'unsatisfiable')
})
