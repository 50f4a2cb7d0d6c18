/** An image service for tests of drivers: it gives contents under their hash, and counts how often it was asked. */
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { ticketOf } from './contract-values.ts'
import type { ImageTicket, UploadTicket } from './driver.ts'

export interface ImageServer {
  ticketFor(content: Buffer, more?: Partial<ImageTicket>): ImageTicket
  asked(): number
  /** Where an image may be sent to. */
  uploadTicket(imageId: string): UploadTicket
  /** What was sent there; it can be fetched, too. */
  sent(imageId: string): Buffer | undefined
  close(): void
}

const sha512 = (content: Buffer): string => createHash('sha512').update(content).digest('hex')

export async function imageServer(contents: readonly Buffer[]): Promise<ImageServer> {
  const byPath = new Map(contents.map((content) => [`/${sha512(content)}`, content]))
  let asked = 0
  const sent = new Map<string, Buffer>()
  const server = createServer((request, response) => {
    if (request.method === 'PUT') {
      void buffer(request).then((content) => {
        sent.set(request.url ?? '', content)
        byPath.set(`/${sha512(content)}`, content)
        response.writeHead(request.url === '/refused' ? 413 : 204).end()
      })
      return undefined
    }
    asked++
    const content = byPath.get(request.url ?? '')
    if (!content) return response.writeHead(404).end()
    return response.writeHead(200, { 'content-length': content.length }).end(content)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    ticketFor: (content, more = {}) => {
      const hash = sha512(content)
      return ticketOf({
        url: `http://127.0.0.1:${port}/${hash}`,
        sizeBytes: content.length,
        hash,
        imageId: randomUUID(),
        ...more,
      })
    },
    asked: () => asked,
    uploadTicket: (imageId) => ({ imageId, url: `http://127.0.0.1:${port}/${imageId}` }),
    sent: (imageId) => sent.get(`/${imageId}`),
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
