/** A scripted libvirtd for tests: real sockets and the real protocol over domains in memory, with weather on order. */
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import type { KeepaliveOptions } from '../keepalive.ts'
import type { Target } from '../socket.ts'
import { connectionHandlers, domainHandlers, type Handlers } from './handlers.ts'
import { Hypervisor } from './hypervisor.ts'
import { qemuHandlers } from './qemu-handlers.ts'
import { Session } from './session.ts'
import { streamHandlers } from './stream-handlers.ts'
import { Weather } from './weather.ts'

export interface FakeLibvirtdOptions {
  /** A unix socket, or a TCP port on loopback (0: a free one), with `tls` for clients whose certificate is of its `ca` alone. */
  readonly listen: { readonly path: string } | { readonly port: number; readonly tls?: TlsOptions }
  readonly hostname?: string
  /** More procedures, or others than the built-in ones. */
  readonly handlers?: Handlers
  /** Default 5, as libvirtd's. */
  readonly maxClientRequests?: number
  /** The daemon's own pings; default none. */
  readonly keepalive?: KeepaliveOptions
  /** Domains of a fake that was there before: a restarted daemon. */
  readonly hypervisor?: Hypervisor
}

export interface FakeLibvirtd {
  readonly target: Target
  readonly hypervisor: Hypervisor
  readonly weather: Weather
  /** The open connections, oldest first. */
  readonly sessions: ReadonlySet<Session>
  /** Cuts every connection; domains stay, new clients are welcome. */
  dropAll(): void
  close(): Promise<void>
}

export async function fakeLibvirtd(options: FakeLibvirtdOptions): Promise<FakeLibvirtd> {
  const { listen, hostname = 'fake', maxClientRequests = 5, keepalive, hypervisor = new Hypervisor() } = options
  const weather = new Weather()
  const sessions = new Set<Session>()
  const handlers = { ...connectionHandlers, ...domainHandlers, ...streamHandlers, ...qemuHandlers, ...options.handlers }
  const accept = (socket: Socket): void => {
    const session = new Session(socket, { hypervisor, hostname, weather, handlers, maxClientRequests, keepalive })
    sessions.add(session)
    socket.on('close', () => sessions.delete(session))
  }
  const server = 'tls' in listen && listen.tls ? tlsServer(listen.tls, accept) : createServer({ noDelay: true }, accept)
  await listening(server, listen)
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    target: 'path' in listen ? listen : { host: '127.0.0.1', port },
    hypervisor,
    weather,
    sessions,
    dropAll: () => sessions.forEach((session) => session.drop()),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        sessions.forEach((session) => session.drop())
      }),
  }
}

/** As libvirtd, which looks at the client's certificate after the handshake and says with one byte, 1, that it is welcome. */
const tlsServer = (tls: TlsOptions, accept: (socket: Socket) => void): Server =>
  createTlsServer({ ...tls, noDelay: true, requestCert: true, rejectUnauthorized: false }, (socket) => {
    if (!socket.authorized) {
      socket.destroy()
      return
    }
    socket.write(Uint8Array.of(1))
    accept(socket)
  })

function listening(server: Server, listen: FakeLibvirtdOptions['listen']): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen('path' in listen ? { path: listen.path } : { port: listen.port, host: '127.0.0.1' }, resolve)
  })
}
