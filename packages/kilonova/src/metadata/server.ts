/** The metadata daemon: answers what a network's proxy passes on for a guest, once the proxy's signature proves which server asks. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '@kilonova/base/clock.ts'
import { httpServer } from '@kilonova/base/http/server.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { GuestPort } from '../domain/guest-metadata.ts'
import type { Server } from '../domain/server.ts'
import { lookup } from './lookup.ts'

export interface MetadataOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** The same as the proxies have. */
  readonly sharedSecret: string
  readServer(id: string): Promise<Server | undefined>
  readPorts(server: Server): Promise<readonly GuestPort[]>
  /** What must hold before /healthz answers 200. */
  ready?(): string | undefined
  readonly log: Log
  readonly clock: Clock
}

export interface MetadataServer {
  readonly url: string
  close(): Promise<void>
}

/** Errors: PortTakenError. */
export async function startMetadata(options: MetadataOptions): Promise<MetadataServer> {
  const { sharedSecret, readServer, readPorts, clock } = options
  const log = options.log.in(import.meta)
  const http = httpServer({
    host: options.host,
    port: options.port,
    bodyLimitBytes: 64 * 1024,
    ready: options.ready ?? (() => undefined),
  })

  http.app.get('/*', async (request, reply) => {
    const who = claimOf(request.headers, sharedSecret)
    if (typeof who === 'string')
      return reply
        .code(who === 'forged' ? 403 : 400)
        .type('text/plain')
        .send(REFUSALS[who])
    const server = await readServer(who.serverId)
    if (!server || server.deletedAt !== null || (who.projectId !== undefined && who.projectId !== server.projectId))
      return notFound(reply)
    const path = request.url.split('?')[0] ?? '/'
    const found = lookup(path, {
      server,
      ports: await readPorts(server),
      randomSeed: randomBytes(512).toString('base64'),
      now: clock.now(),
    })
    if (!found) return notFound(reply)
    return reply.type(found.contentType).send(typeof found.body === 'string' ? found.body : Buffer.from(found.body))
  })
  http.app.setNotFoundHandler((_request, reply) => notFound(reply))
  http.app.setErrorHandler((error, request, reply) => {
    log.error('metadata request failed', { path: request.url, error })
    return reply.code(500).type('text/plain').send('The metadata cannot be read now; try again.\n')
  })
  return { url: await http.listen(), close: () => http.close() }
}

const notFound = (reply: { code(status: number): { type(type: string): { send(body: string): unknown } } }): unknown =>
  reply.code(404).type('text/plain').send('Not found.\n')

const REFUSALS = {
  unnamed: 'X-Instance-ID header is missing from request.\n',
  unsigned: 'X-Instance-ID-Signature header is missing from request.\n',
  forged: 'Invalid proxy request signature.\n',
} as const

/** Who asks. A proxy that knows the project says it too, and then it must be right. */
function claimOf(
  headers: IncomingHttpHeaders,
  sharedSecret: string,
): { serverId: string; projectId: string | undefined } | keyof typeof REFUSALS {
  const serverId = one(headers['x-instance-id'])
  const signature = one(headers['x-instance-id-signature'])
  if (serverId === undefined) return 'unnamed'
  if (signature === undefined) return 'unsigned'
  const expected = Buffer.from(createHmac('sha256', sharedSecret).update(serverId).digest('hex'))
  const given = Buffer.from(signature)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'forged'
  return { serverId, projectId: one(headers['x-tenant-id']) }
}

const one = (value: string | string[] | undefined): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined
