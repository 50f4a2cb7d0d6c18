/**
 * Passes a guest's requests on to the metadata service and says who asks, by the address the request came from, as Neutron's
 * metadata proxy does. What a guest says of itself in those headers is dropped.
 */
import { createHmac } from 'node:crypto'
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { httpsAgent } from '@kilonova/base/http/client.ts'
import type { Log } from '@kilonova/base/log.ts'

export interface MetadataTarget {
  /** Base URL of the metadata service. */
  readonly proxyTo: string
  readonly sharedSecret: string
}

/** The server that has an address of this network, and whose it is: undefined when the port was plugged before that was told. */
export interface Guest {
  readonly serverId: string
  readonly projectId: string | undefined
}
export type WhoHas = (address: string) => Guest | undefined

const ANSWER_MS = 60_000
const MAX_BODY_BYTES = 64 * 1024

/** Set by us, so never taken over; the rest of the list belongs to one connection (RFC 9110 section 7.6.1). */
const OURS = new Set([
  'x-instance-id',
  'x-tenant-id',
  'x-instance-id-signature',
  'x-forwarded-for',
  'x-metadata-provider',
  'x-metadata-provider-signature',
  'forwarded',
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
])

/** One guest must not keep its neighbours from being answered. */
const CONNECTIONS_OF_ONE = 32
const REQUESTS_OF_ONE = 8
const REQUESTS_AT_ONCE = 32
const PATIENCE = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 5_000,
  keepAliveTimeout: 5_000,
}

/** An HTTP server that does not listen yet. It cuts off who is slow, who comes too often, and who asks for too much at once. */
export function metadataProxy(target: MetadataTarget, whoHas: WhoHas, log: Log, patience = PATIENCE): Server {
  const pool = { keepAlive: true, maxSockets: REQUESTS_AT_ONCE }
  const agent = isHttps(target) ? httpsAgent(pool) : new Agent(pool)
  const [connections, requests] = [countByAddress(), countByAddress()]
  const server = createServer(patience, (from, to) => {
    const address = from.socket.remoteAddress ?? ''
    if (!requests.enter(address, REQUESTS_OF_ONE)) return answer(to, 429)
    to.on('close', () => requests.leave(address))
    pass(from, to, target, whoHas, agent, log)
  })
  server.maxConnections = 1024
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    if (connections.enter(address, CONNECTIONS_OF_ONE)) socket.on('close', () => connections.leave(address))
    else socket.destroy()
  })
  server.on('close', () => agent.destroy())
  return server
}

const isHttps = ({ proxyTo }: MetadataTarget): boolean => proxyTo.startsWith('https:')

function countByAddress() {
  const counts = new Map<string, number>()
  return {
    /** False: there are as many as may be. */
    enter: (address: string, most: number): boolean => {
      const count = counts.get(address) ?? 0
      if (count < most) counts.set(address, count + 1)
      return count < most
    },
    leave: (address: string): void => {
      const count = counts.get(address) ?? 0
      if (count > 1) counts.set(address, count - 1)
      else counts.delete(address)
    },
  }
}

function pass(
  from: IncomingMessage,
  to: ServerResponse,
  target: MetadataTarget,
  whoHas: WhoHas,
  agent: Agent,
  log: Log,
): void {
  const address = from.socket.remoteAddress ?? ''
  const guest = whoHas(address)
  if (guest === undefined) return answer(to, 404)
  const { serverId, projectId } = guest
  if (from.headers['transfer-encoding'] !== undefined) return answer(to, 411)
  if (Number(from.headers['content-length'] ?? 0) > MAX_BODY_BYTES) return answer(to, 413)
  // There are servers for which `X_Instance_ID` is the same header.
  const kept = Object.entries(from.headers).filter(([name]) => !OURS.has(name.replaceAll('_', '-')))
  const out = (isHttps(target) ? httpsRequest : request)(new URL(target.proxyTo), {
    // The path as it came: the service decides what it means.
    path: from.url?.startsWith('/') ? from.url : '/',
    method: from.method,
    agent,
    timeout: ANSWER_MS,
    headers: {
      ...Object.fromEntries(kept),
      'x-forwarded-for': address,
      'x-instance-id': serverId,
      ...(projectId === undefined ? {} : { 'x-tenant-id': projectId }),
      'x-instance-id-signature': createHmac('sha256', target.sharedSecret).update(serverId).digest('hex'),
    },
  })
  out.on('response', (reply) => {
    const headers = Object.entries(reply.headers).filter(
      ([name]) => !['connection', 'keep-alive', 'transfer-encoding'].includes(name),
    )
    to.writeHead(reply.statusCode ?? 502, Object.fromEntries(headers))
    reply.pipe(to)
  })
  out.on('timeout', () => out.destroy(new Error(`no answer within ${ANSWER_MS} ms`)))
  out.on('error', (error) => {
    log.warn('metadata service does not answer', { server: serverId, error })
    if (to.headersSent) to.destroy()
    else answer(to, 503)
  })
  to.on('close', () => out.destroy())
  from.pipe(out)
}

function answer(to: ServerResponse, status: number): void {
  to.writeHead(status, { 'content-type': 'text/plain', 'content-length': 0 }).end()
}
