/**
 * Answers 169.254.169.254 in one network: says who asks, by the address the request came from, and passes it on to the metadata
 * service, as Neutron's metadata proxy does. What a guest says of itself in those headers is dropped.
 */
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { Server as Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Log } from '@kilonova/base/log.ts'
import { HostError } from '../host-error.ts'

export interface MetadataTarget {
  /** Base URL of the metadata service. */
  readonly proxyTo: string
  readonly sharedSecret: string
}

/** The id of the server that has an address of this network. */
export type WhoHas = (address: string) => string | undefined

export interface MetadataListener {
  close(): Promise<void>
}

const CHILD = fileURLToPath(new URL('metadata-listener-child.ts', import.meta.url))
const START_MS = 20_000
const ANSWER_MS = 60_000
const MAX_BODY_BYTES = 64 * 1024

export async function metadataListener(
  namespacePath: string,
  target: MetadataTarget,
  whoHas: WhoHas,
  log: Log,
): Promise<MetadataListener> {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 })
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 5000 },
    (from, to) => {
      pass(from, to, target, whoHas, agent, log)
    },
  )
  server.maxConnections = 1024
  await listenOn(server, await socketIn(namespacePath))
  return {
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
        agent.destroy()
      }),
  }
}

const listenOn = (server: Server, socket: Socket): Promise<void> =>
  new Promise((done, fail) => {
    server.once('error', fail)
    server.listen(socket, () => {
      server.removeListener('error', fail)
      done()
    })
  })

/** A socket that listens inside the namespace and is ours: a child enters it, opens the socket and sends it. */
function socketIn(namespacePath: string): Promise<Socket> {
  return new Promise((done, fail) => {
    const child = spawn('nsenter', [`--net=${namespacePath}`, process.execPath, CHILD], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      timeout: START_MS,
      killSignal: 'SIGKILL',
    })
    const refuse = (why: string) =>
      fail(new HostError('CommandFailed', `cannot listen for metadata in ${namespacePath}: ${why}`))
    child.once('message', (message, handle) => {
      if (handle instanceof Socket) done(handle)
      else refuse(JSON.stringify(message))
      child.kill('SIGKILL')
    })
    child.once('error', (error) => refuse(error.message))
    child.once('exit', (code, signal) => refuse(`the helper ended with ${signal ?? code}`))
  })
}

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

function pass(
  from: IncomingMessage,
  to: ServerResponse,
  target: MetadataTarget,
  whoHas: WhoHas,
  agent: Agent,
  log: Log,
): void {
  const address = from.socket.remoteAddress ?? ''
  const serverId = whoHas(address)
  if (serverId === undefined) return answer(to, 404)
  if (from.headers['transfer-encoding'] !== undefined) return answer(to, 411)
  if (Number(from.headers['content-length'] ?? 0) > MAX_BODY_BYTES) return answer(to, 413)
  const kept = Object.entries(from.headers).filter(([name]) => !OURS.has(name))
  const out = request(new URL(target.proxyTo), {
    // The path as it came: the service decides what it means.
    path: from.url?.startsWith('/') ? from.url : '/',
    method: from.method,
    agent,
    timeout: ANSWER_MS,
    headers: {
      ...Object.fromEntries(kept),
      'x-forwarded-for': address,
      'x-instance-id': serverId,
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
