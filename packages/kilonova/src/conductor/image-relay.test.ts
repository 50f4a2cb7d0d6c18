import assert from 'node:assert/strict'
import { createServer, get, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { silentLog } from '@kilonova/base/log.ts'
import type { Glance, ImageFacts } from '../clients/glance.ts'
import { NovaError } from '../domain/errors.ts'
import { startImageRelay } from './image-relay.ts'

const CONTENT = 'the bytes of the image'
const FACTS: ImageFacts = {
  id: 'image-1',
  name: 'demo',
  status: 'active',
  diskFormat: 'qcow2',
  containerFormat: 'bare',
  minDiskGb: 0,
  minRamMb: 0,
  sizeBytes: CONTENT.length,
  virtualSizeBytes: null,
  hashAlgorithm: 'sha512',
  hash: 'abc',
  properties: {},
}

/** A relay over an image service that holds its images in a map, and a clock that can be moved. */
async function relay(t: TestContext) {
  const images = new Map<string, ImageFacts>([
    ['image-1', FACTS],
    ['queued', { ...FACTS, id: 'queued', status: 'queued' }],
  ])
  const store = createServer((_request, response) => response.end(CONTENT)).listen(0, '127.0.0.1')
  await once(store, 'listening')
  const { port } = store.address() as AddressInfo
  let failure: NovaError | undefined
  const unused = async (): Promise<never> => Promise.reject(new Error('the relay never does this'))
  const sent = new Map<string, string>()
  const glance: Glance = {
    create: unused,
    remove: unused,
    withProperties: unused,
    urlOf: unused,
    upload: async (id, content) => {
      if (failure) throw failure
      sent.set(id, (await buffer(content)).toString())
    },
    show: async (id) => images.get(id),
    download: async (id) => {
      if (!images.has(id)) return undefined
      if (failure) throw failure
      const [message] = (await once(get({ port, host: '127.0.0.1' }), 'response')) as [IncomingMessage]
      return message
    },
  }
  const clock = { at: 0, now: () => clock.at }
  const made = await startImageRelay({ host: '127.0.0.1', port: 0, glance, clock, log: silentLog })
  t.after(async () => {
    await made.close()
    store.close()
  })
  return { ...made, images, sent, clock, fail: (error: NovaError) => void (failure = error) }
}

test('a ticket fetches its image, and says what must arrive', async (t) => {
  const { ticket } = await relay(t)
  const { url, ...facts } = await ticket('image-1', 'task-1')
  assert.deepEqual(facts, {
    imageId: 'image-1',
    diskFormat: 'qcow2',
    sizeBytes: CONTENT.length,
    hashAlgorithm: 'sha512',
    hash: 'abc',
  })
  assert.equal(await (await fetch(url)).text(), CONTENT)
})

test('a ticket is good for no other image, not when changed, and not for ever', async (t) => {
  const { ticket, clock } = await relay(t)
  const { url } = await ticket('image-1', 'task-1')
  assert.equal((await fetch(url.replace('image-1', 'image-2'))).status, 403)
  assert.equal((await fetch(url.slice(0, -2))).status, 403)
  assert.equal((await fetch(url.replace(/image-tickets\/.*/, 'image-tickets/x'))).status, 403)
  clock.at = 25 * 3600_000
  assert.equal((await fetch(url)).status, 403)
})

test('no ticket for an image that is gone or not ready; one that goes later is a 404', async (t) => {
  const { ticket, images } = await relay(t)
  await assert.rejects(ticket('nothing', 'task-1'), {
    name: 'BuildAborted',
    message: 'Build of instance aborted: image nothing is gone',
  })
  await assert.rejects(ticket('queued', 'task-1'), {
    name: 'BuildAborted',
    message: 'Build of instance aborted: image queued is queued',
  })
  const { url } = await ticket('image-1', 'task-1')
  images.clear()
  assert.equal((await fetch(url)).status, 404)
})

test('an image service that refuses, or does not answer, is told apart: only the second is worth another try', async (t) => {
  const { ticket, fail } = await relay(t)
  const { url } = await ticket('image-1', 'task-1')
  fail(new NovaError('ServiceRefused', { service: 'image', reason: 'not yours' }))
  assert.equal((await fetch(url)).status, 403)
  fail(new NovaError('ServiceUnavailable', { service: 'image' }))
  assert.equal((await fetch(url)).status, 503)
})

const put = (url: string, body: string) =>
  fetch(url, { method: 'PUT', body, headers: { 'content-type': 'application/octet-stream' } })

test('a ticket to send gives one image its content, and fetches none; one to fetch sends nothing', async (t) => {
  const { ticket, uploadTicket, sent, clock } = await relay(t)
  const { url, imageId } = uploadTicket('new', 'task-1')
  assert.equal((await put(url, 'a disk')).status, 204)
  assert.deepEqual([imageId, sent.get('new')], ['new', 'a disk'])
  assert.equal((await fetch(url)).status, 403)
  assert.equal((await put(url.replace('/new.', '/other.'), 'x')).status, 403)
  assert.equal((await put((await ticket('image-1', 'task-1')).url, 'x')).status, 403)
  assert.equal(
    (await fetch(url, { method: 'PUT', body: '{}', headers: { 'content-type': 'application/json' } })).status,
    415,
  )
  clock.at = 25 * 3600_000
  assert.equal((await put(url, 'x')).status, 403)
})

test('what the image service refuses is refused; what may pass can be sent again', async (t) => {
  const { uploadTicket, fail } = await relay(t)
  const { url } = uploadTicket('new', 'task-1')
  fail(new NovaError('ServiceRefused', { service: 'image', reason: 'your quota is used up' }))
  const refusal = await put(url, 'x')
  assert.equal(refusal.status, 403)
  assert.match(await refusal.text(), /quota is used up/)
  fail(new NovaError('ServiceUnavailable', { service: 'image' }))
  assert.equal((await put(url, 'x')).status, 503)
})
