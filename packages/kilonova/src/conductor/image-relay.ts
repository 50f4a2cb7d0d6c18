/** Hands image bytes to hosts and takes them from hosts, which hold no credentials: a ticket is good for one image, one task and one direction, for a while. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { httpServer } from '@kilonova/base/http/server.ts'
import type { CertificateFiles } from '@kilonova/base/http/tls.ts'
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Glance } from '../clients/glance.ts'
import { NovaError } from '../domain/errors.ts'
import type { ImageTicket, UploadTicket } from '../virt/driver.ts'

export interface ImageRelay {
  /** Errors: NovaError BuildAborted when the image is gone or not usable. */
  ticket(imageId: string, taskId: string): Promise<ImageTicket>
  /** For an image that has no content yet. */
  uploadTicket(imageId: string, taskId: string): UploadTicket
  close(): Promise<void>
}

const GOOD_FOR_MS = 24 * 3600 * 1000
const IDLE_MS = 60_000

export async function startImageRelay({
  host,
  port,
  tls,
  glance,
  clock,
  log,
}: {
  host: string
  port: number
  tls?: CertificateFiles
  glance: Glance
  clock: Clock
  log: Log
}): Promise<ImageRelay> {
  // Tickets die with this process; a task that is taken up again gets new ones.
  const secret = randomBytes(32)
  const sign = (text: string) => createHmac('sha256', secret).update(text).digest()
  const server = httpServer({ host, port, bodyLimitBytes: 1024, ready: () => undefined, ...(tls ? { tls } : {}) })

  function imageOf(verb: 'get' | 'put', ticket: string): string | undefined {
    const [imageId = '', taskId = '', expires = '', mac = ''] = ticket.split('.')
    const expected = sign(`${verb}.${imageId}.${taskId}.${expires}`)
    const given = Buffer.from(mac, 'base64url')
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
    return Number(expires) > clock.now() ? imageId : undefined
  }

  server.app.get<{ Params: { ticket: string } }>('/image-tickets/:ticket', async (request, reply) => {
    const imageId = imageOf('get', request.params.ticket)
    if (imageId === undefined) return reply.code(403).send({ message: 'the ticket is not good (any more)' })
    const gone = new AbortController()
    request.raw.on('close', () => gone.abort())
    const bytes = await glance.download(imageId, gone.signal).catch((error: unknown) => {
      if (error instanceof NovaError) return error
      throw error
    })
    // The host tries again what may pass: a service that does not answer, not one that refuses.
    if (bytes instanceof NovaError) {
      log.warn('image cannot be passed on', { image: imageId, error: bytes })
      return reply.code(bytes.kind === 'unavailable' ? 503 : 403).send({ message: bytes.message })
    }
    if (!bytes) return reply.code(404).send({ message: `image ${imageId} is gone` })
    reply.hijack()
    reply.raw.writeHead(200, {
      'content-type': 'application/octet-stream',
      ...(bytes.headers['content-length'] ? { 'content-length': bytes.headers['content-length'] } : {}),
    })
    await pipeline(bytes, reply.raw).catch((error: unknown) =>
      log.info('image download broken off', { image: imageId, error }),
    )
    return reply
  })

  server.app.addContentTypeParser('application/octet-stream', (_request, content, done) => done(null, content))
  // Large files take longer than any request with a body that is read whole.
  server.app.server.requestTimeout = 0
  server.app.put<{ Params: { ticket: string } }>('/image-tickets/:ticket', async (request, reply) => {
    const imageId = imageOf('put', request.params.ticket)
    if (imageId === undefined) return reply.code(403).send({ message: 'the ticket is not good (any more)' })
    const content = request.body
    if (!(content instanceof Readable)) return reply.code(415).send({ message: 'send application/octet-stream' })
    const gone = new AbortController()
    request.raw.setTimeout(IDLE_MS, () => request.raw.destroy(new Error('the host was silent for too long')))
    request.raw.on('aborted', () => gone.abort())
    try {
      await glance.upload(imageId, content, gone.signal)
      return await reply.code(204).send()
    } catch (error) {
      log.warn('snapshot cannot be passed on', { image: imageId, error })
      const message = error instanceof NovaError ? error.message : 'the snapshot cannot be passed on'
      const passes = !(error instanceof NovaError) || error.kind === 'unavailable'
      return reply
        .code(passes ? 503 : 403)
        .header('connection', 'close')
        .send({ message })
    }
  })

  const url = await server.listen()
  const ticketUrl = (verb: 'get' | 'put', imageId: string, taskId: string): string => {
    const text = `${imageId}.${taskId}.${clock.now() + GOOD_FOR_MS}`
    return `${url}/image-tickets/${text}.${sign(`${verb}.${text}`).toString('base64url')}`
  }
  return {
    uploadTicket: (imageId, taskId) => ({ imageId, url: ticketUrl('put', imageId, taskId) }),
    ticket: async (imageId, taskId) => {
      const image = await glance.show(imageId)
      if (!image) throw new NovaError('BuildAborted', { reason: `image ${imageId} is gone` })
      if (image.status !== 'active')
        throw new NovaError('BuildAborted', { reason: `image ${imageId} is ${image.status}` })
      return {
        imageId,
        url: ticketUrl('get', imageId, taskId),
        diskFormat: image.diskFormat,
        sizeBytes: image.sizeBytes,
        hashAlgorithm: image.hashAlgorithm,
        hash: image.hash,
      }
    },
    close: () => server.close(),
  }
}
