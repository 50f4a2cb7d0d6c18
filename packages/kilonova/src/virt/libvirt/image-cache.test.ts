/** The image cache against an image service that lies, breaks off and vanishes. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '@kilonova/base/clock.ts'
import { refusedSamples, usableSamples } from '@kilonova/disk-image/samples.ts'
import { ticketOf } from '../contract-values.ts'
import type { ImageTicket } from '../driver.ts'
import { openImageCache } from './image-cache.ts'

const MB = 1024 ** 2
const never = new AbortController().signal
const ignore = () => {}
const hashOf = (content: Buffer) => createHash('sha512').update(content).digest('hex')
/** Its name in the cache. */
const nameOf = (content: Buffer, diskFormat = 'raw') => `sha512-${hashOf(content)}.${diskFormat}`
const fails = (name: string, retryable: boolean) => (error: unknown) =>
  error instanceof Error && error.name === name && 'retryable' in error && error.retryable === retryable

async function world(t: TestContext, answer: (response: ServerResponse) => void = () => {}) {
  const instances = mkdtempSync(join(tmpdir(), 'image-cache-'))
  const server = createServer((_request, response) => answer(response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
    rmSync(instances, { recursive: true })
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const ticket = (content: Buffer, more: Partial<ImageTicket> = {}) =>
    ticketOf({ url, diskFormat: 'raw', sizeBytes: content.length, hash: hashOf(content), ...more })
  const base = join(instances, '_base')
  return {
    instances,
    base,
    ticket,
    server,
    open: () => openImageCache({ instancesDir: instances, host: 'h1', clock: systemClock() }),
    files: () => readdirSync(base),
  }
}

test('content arrives as it was, with holes where it holds zeros', async (t) => {
  const content = Buffer.concat([Buffer.alloc(MB, 1), Buffer.alloc(8 * MB), Buffer.alloc(MB, 2), Buffer.alloc(3 * MB)])
  const w = await world(t, (response) => response.end(content))
  const cache = await w.open()
  await cache.fetch(w.ticket(content), ignore, never)
  const found = await cache.find(w.ticket(content))
  assert.deepEqual(found, { path: join(w.base, nameOf(content)), format: 'raw', virtualBytes: content.length })
  assert.ok(readFileSync(found.path).equals(content))
  assert.ok(statSync(found.path).blocks * 512 < 4 * MB)
  assert.equal(statSync(found.path).mode & 0o777, 0o600)
})

test('what breaks off, is too long, differs, or is refused leaves nothing, and says whether to try again', async (t) => {
  const content = Buffer.alloc(2 * MB, 7)
  let answer: (response: ServerResponse) => void = ignore
  const w = await world(t, (response) => answer(response))
  const cache = await w.open()
  const fetching = (more: Partial<ImageTicket> = {}) => cache.fetch(w.ticket(content, more), ignore, never)

  answer = (response) => void response.write(content.subarray(0, MB), () => response.destroy())
  await assert.rejects(fetching(), fails('ImageUnavailable', true))
  answer = (response) => void response.end(content.subarray(0, MB))
  await assert.rejects(fetching(), fails('ImageUnavailable', true))
  answer = (response) => void response.end(content)
  await assert.rejects(fetching({ sizeBytes: MB }), fails('ImageDamaged', false))
  await assert.rejects(fetching({ hash: 'ab'.repeat(64) }), fails('ImageDamaged', false))
  for (const [status, retryable] of [
    [404, false],
    [403, false],
    [503, true],
  ] as const) {
    answer = (response) => void response.writeHead(status).end()
    await assert.rejects(fetching(), fails('ImageUnavailable', retryable))
  }
  answer = (response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
  await assert.rejects(fetching(), fails('ImageUnavailable', true))
  w.server.closeAllConnections()
  w.server.close()
  await assert.rejects(fetching(), fails('ImageUnavailable', true))
  assert.deepEqual(w.files(), [])
})

test('what is not to be trusted, or has no checksum we can check, is refused and not kept', async (t) => {
  let content: Buffer = Buffer.alloc(0)
  const w = await world(t, (response) => response.end(content))
  const cache = await w.open()
  for (const sample of refusedSamples()) {
    content = sample.bytes
    await assert.rejects(
      cache.fetch(w.ticket(content, { diskFormat: sample.declared }), ignore, never),
      (error: Error) =>
        fails('ImageUnsupported', false)(error) &&
        (['ami', 'ploop'].includes(sample.declared) ? /this host runs/ : sample.reason).test(error.message),
      sample.name,
    )
  }
  content = Buffer.alloc(MB, 1)
  for (const more of [
    { hash: '../../../etc/passwd' },
    { hash: '' },
    { hashAlgorithm: 'crc32' },
    { hashAlgorithm: '..' },
  ])
    await assert.rejects(cache.fetch(w.ticket(content, more), ignore, never), fails('ImageDamaged', false))
  assert.deepEqual(w.files(), [])
})

test('the same hash by another algorithm is another image', async (t) => {
  const content = Buffer.from('old')
  const md5 = createHash('md5').update(content).digest('hex')
  const w = await world(t, (response) => response.end(content))
  const cache = await w.open()
  await cache.fetch(w.ticket(content, { hashAlgorithm: 'md5', hash: md5 }), ignore, never)
  await cache.fetch(w.ticket(content), ignore, never)
  assert.deepEqual(w.files().toSorted(), [`md5-${md5}.raw`, nameOf(content)])
})

test('the same bytes declared as something else do not spoil them for who declared them rightly', async (t) => {
  const qcow2 = usableSamples().find(({ name }) => name === 'qcow2')?.bytes ?? Buffer.alloc(0)
  const w = await world(t, (response) => response.end(qcow2))
  const cache = await w.open()
  const right = w.ticket(qcow2, { diskFormat: 'qcow2' })
  await Promise.all([
    assert.rejects(cache.fetch(w.ticket(qcow2), ignore, never), fails('ImageUnsupported', false)),
    cache.fetch(right, ignore, never),
  ])
  assert.equal(await cache.find(w.ticket(qcow2)), undefined)
  const path = join(w.base, nameOf(qcow2, 'qcow2'))
  assert.deepEqual(await cache.find(right), { path, format: 'qcow2', virtualBytes: 4 * MB })
})

test('each use is looked into, not only the first', async (t) => {
  const qcow2 = usableSamples().find(({ name }) => name === 'qcow2')?.bytes ?? Buffer.alloc(0)
  const w = await world(t, (response) => response.end(qcow2))
  const cache = await w.open()
  const ticket = w.ticket(qcow2, { diskFormat: 'qcow2' })
  await cache.fetch(ticket, ignore, never)
  writeFileSync(join(w.base, nameOf(qcow2, 'qcow2')), refusedSamples()[0]?.bytes ?? '')
  await assert.rejects(cache.find(ticket), fails('ImageUnsupported', false))
  await assert.rejects(cache.fetch(ticket, ignore, never), fails('ImageUnsupported', false))
})

test('when the last who waits gives up, the download stops and nothing is left', async (t) => {
  const content = Buffer.alloc(2 * MB, 7)
  const asked = Promise.withResolvers<ServerResponse>()
  const w = await world(t, (response) => {
    response.write(content.subarray(0, MB))
    asked.resolve(response)
  })
  const cache = await w.open()
  const [one, two] = [new AbortController(), new AbortController()]
  const joined = [one, two].map(() => Promise.withResolvers<void>())
  const waits = [one, two].map(({ signal }, i) => cache.fetch(w.ticket(content), () => joined[i]?.resolve(), signal))
  const response = await asked.promise
  const closed = once(response, 'close')
  response.write(content.subarray(0, MB / 2))
  await Promise.all(joined.map(({ promise }) => promise))
  one.abort(new Error('one gave up'))
  await assert.rejects(waits[0] ?? Promise.resolve(), /one gave up/)
  two.abort(new Error('two gave up'))
  await assert.rejects(waits[1] ?? Promise.resolve(), /two gave up/)
  await closed
  assert.deepEqual(w.files(), [])
})

test('who asks while a download is being given up gets one of his own', async (t) => {
  const content = Buffer.alloc(2 * MB, 7)
  const asked = Promise.withResolvers<void>()
  let requests = 0
  const w = await world(t, (response) => {
    if (++requests > 1) response.end(content)
    else response.write(content.subarray(0, MB), () => asked.resolve())
  })
  const cache = await w.open()
  const first = new AbortController()
  const given = cache.fetch(w.ticket(content), ignore, first.signal)
  await asked.promise
  first.abort(new Error('given up'))
  await Promise.all([cache.fetch(w.ticket(content), ignore, never), assert.rejects(given, /given up/)])
  assert.deepEqual(w.files(), [nameOf(content)])
})

test('what a killed process left half written is removed at the next start; what was whole is used', async (t) => {
  const content = Buffer.from('whole')
  const w = await world(t, () => assert.fail('must not be asked'))
  mkdirSync(w.base)
  writeFileSync(join(w.base, nameOf(content)), content)
  writeFileSync(join(w.base, 'aa.part'), 'half')
  const cache = await w.open()
  assert.deepEqual(w.files(), [nameOf(content)])
  await cache.fetch(w.ticket(content), ignore, never)
})

test('an image is old when nobody asked for it, and is kept while it is used', async (t) => {
  const w = await world(t)
  mkdirSync(w.base)
  for (const name of ['aaaaaaaa', 'bbbbbbbb', 'cccccccc'].map((hash) => `sha512-${hash}.raw`)) {
    writeFileSync(join(w.base, name), name)
    utimesSync(join(w.base, name), 1000, 1000)
  }
  const cache = await w.open()
  await cache.find({ ...w.ticket(Buffer.from('')), hash: 'aaaaaaaa' })
  assert.equal(await cache.removeUnused(3600, (path) => path.endsWith('bbbbbbbb.raw')), 1)
  assert.deepEqual(w.files(), ['sha512-aaaaaaaa.raw', 'sha512-bbbbbbbb.raw'])
})
