/** The metadata daemon: answers what a network's proxy passes on for a guest, once the proxy's signature proves which server asks. */
import { randomBytes } from 'node:crypto'
import { isIPv4 } from 'node:net'
import type { Clock } from '@kilonova/base/clock.ts'
import { httpServer } from '@kilonova/base/http/server.ts'
import type { CertificateFiles } from '@kilonova/base/http/tls.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { kept } from '../clients/kept.ts'
import type { VendorData } from '../clients/vendor-data.ts'
import type { GuestPort } from '../domain/guest-metadata-network.ts'
import type { Server } from '../domain/server.ts'
import { identify, type Claim, type Proxies } from './identify.ts'
import { lookup, partsOf, ROOT, type Found, type Subject } from './lookup.ts'
import { answerPassword, type Passwords } from './password.ts'

export interface MetadataOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  readonly tls?: CertificateFiles
  readonly proxies: Proxies
  readonly dhcpDomain: string
  /** How long what was read of a server is told on; 0: not at all. */
  readonly keptMs: number
  readServer(id: string): Promise<Server | undefined>
  readPorts(server: Server): Promise<readonly GuestPort[]>
  /** A public IPv4 address of the server; empty: it has none. */
  readPublicIp(server: Server): Promise<string>
  /** Who has an address in the networks of a metadata provider. */
  readPortBehind(
    providerId: string,
    address: string,
  ): Promise<{ readonly serverId: string; readonly projectId: string } | undefined>
  readonly passwords: Passwords
  readonly vendorData: VendorData
  /** What must hold before /healthz answers 200. */
  ready?(): string | undefined
  readonly log: Log
  readonly clock: Clock
}

export interface MetadataServer {
  readonly url: string
  close(): Promise<void>
}

const MAX_BODY_BYTES = 64 * 1024
const MAX_KEPT = 2_000
const SEED_BYTES = 512

/** Errors: PortTakenError. */
export async function startMetadata(options: MetadataOptions): Promise<MetadataServer> {
  const { proxies, clock, keptMs, vendorData } = options
  const log = options.log.in(import.meta)
  const http = httpServer({
    host: options.host,
    port: options.port,
    bodyLimitBytes: MAX_BODY_BYTES,
    ready: options.ready ?? (() => undefined),
    ...(options.tls ? { tls: options.tls } : {}),
  })
  const servers = kept<Server | undefined>(clock, (server) => (server ? keptMs : 0), MAX_KEPT)
  const ports = kept<readonly GuestPort[]>(clock, keptMs, MAX_KEPT)
  const publicIps = kept<string>(clock, keptMs, MAX_KEPT)
  const behind = kept<{ readonly serverId: string; readonly projectId: string } | undefined>(
    clock,
    (found) => (found ? keptMs : 0),
    MAX_KEPT,
  )
  // Kept no longer than it takes to ask: what comes meanwhile waits for the same answer.
  const combined = kept<Readonly<Record<string, unknown>>>(clock, 0, MAX_KEPT)

  /** Undefined: there is no such server, or it is not of the project that the proxy says. */
  async function serverOf(claim: Claim): Promise<Server | undefined> {
    const who =
      claim.kind === 'server'
        ? claim
        : await behind.get(`${claim.providerId} ${claim.address}`, () =>
            options.readPortBehind(claim.providerId, claim.address),
          )
    if (!who) return undefined
    const server = await servers.get(who.serverId, () => options.readServer(who.serverId))
    return server && server.deletedAt === null && server.projectId === who.projectId ? server : undefined
  }
  const subjectOf = (server: Server, address: string): Subject => ({
    server,
    dhcpDomain: options.dhcpDomain,
    randomSeed: randomBytes(SEED_BYTES).toString('base64'),
    now: clock.now(),
    ports: () => ports.get(server.id, () => options.readPorts(server)),
    localIp: () => server.addresses.find(({ version }) => version === 4)?.address ?? (isIPv4(address) ? address : ''),
    publicIp: () => publicIps.get(server.id, () => options.readPublicIp(server)),
    fixedVendorData: () => vendorData.fixed(),
    combinedVendorData: () => combined.get(server.id, () => vendorData.combined(server)),
  })

  async function answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const parts = partsOf(decodeURIComponent(request.url.split(/[?#]/)[0] ?? '/'))
    if (parts.length === 0) return send(reply, ROOT)
    const claim = identify(request.headers, proxies)
    if (claim.kind === 'refused') {
      if (claim.status === 403)
        log.warn('metadata asked for with a wrong signature', {
          from: request.ip,
          server: request.headers['x-instance-id'],
        })
      return plain(reply, claim.status, claim.reason)
    }
    const server = await serverOf(claim)
    if (!server) return notFound(reply)
    const found = await lookup(parts, subjectOf(server, claim.address))
    if (found === undefined) return notFound(reply)
    if (found !== 'password') return send(reply, found)
    const told = await answerPassword(options.passwords, server.id, request.method, request.body)
    return plain(reply, told.status, told.text)
  }

  // Whatever is sent is bytes: a guest may call its password anything.
  http.app.removeAllContentTypeParsers()
  http.app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  // As upstream, where the method matters to the password alone.
  http.app.route({ method: ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'], url: '/*', handler: answer })
  http.app.setNotFoundHandler((_request, reply) => notFound(reply))
  http.app.setErrorHandler<Error & { statusCode?: number }>((error, request, reply) => {
    if (error.statusCode !== undefined && error.statusCode < 500) return plain(reply, error.statusCode, error.message)
    log.error('metadata request failed', { path: request.url, error })
    return plain(reply, 500, 'The metadata cannot be read now; try again.')
  })
  return { url: await http.listen(), close: () => http.close() }
}

const TEXT = 'text/plain; charset=utf-8'
const plain = (reply: FastifyReply, status: number, text: string): FastifyReply =>
  reply.code(status).type(TEXT).send(text)
const notFound = (reply: FastifyReply): FastifyReply => plain(reply, 404, 'The resource could not be found.')
const send = (reply: FastifyReply, { contentType, body }: Found): FastifyReply =>
  reply.type(contentType).send(typeof body === 'string' ? body : Buffer.from(body))
