/** Hands image bytes to hosts, which hold no credentials: a ticket is good for one image and one task, for a while. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { httpServer } from '@kilonova/base/http/server.ts'
import type { CertificateFiles } from '@kilonova/base/http/tls.ts'
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Glance } from '../clients/glance.ts'
import { NovaError } from '../domain/errors.ts'
import type { ImageTicket } from '../virt/driver.ts'

export interface ImageRelay {
  /** Errors: NovaError BuildAborted when the image is gone or not usable. */
  ticket(imageId: string, taskId: string): Promise<ImageTicket>
  close(): Promise<void>
}

const GOOD_FOR_MS = 24 * 3600 * 1000

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

  function imageOf(ticket: string): string | undefined {
    const [imageId = '', taskId = '', expires = '', mac = ''] = ticket.split('.')
    const expected = sign(`${imageId}.${taskId}.${expires}`)
    const given = Buffer.from(mac, 'base64url')
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
    return Number(expires) > clock.now() ? imageId : undefined
  }

  server.app.get<{ Params: { ticket: string } }>('/image-tickets/:ticket', async (request, reply) => {
    const imageId = imageOf(request.params.ticket)
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

  const url = await server.listen()
  return {
    ticket: async (imageId, taskId) => {
      const image = await glance.show(imageId)
      if (!image) throw new NovaError('BuildAborted', { reason: `image ${imageId} is gone` })
      if (image.status !== 'active')
        throw new NovaError('BuildAborted', { reason: `image ${imageId} is ${image.status}` })
      const text = `${imageId}.${taskId}.${clock.now() + GOOD_FOR_MS}`
      return {
        imageId,
        url: `${url}/image-tickets/${text}.${sign(text).toString('base64url')}`,
        diskFormat: image.diskFormat,
        sizeBytes: image.sizeBytes,
        hashAlgorithm: image.hashAlgorithm,
        hash: image.hash,
      }
    },
    close: () => server.close(),
  }
}
