/**
 * Where console proxies reach the guests of this host, whichever machine they are on: a listener that is opened by the first who asks.
 * A path is good once and for moments. The words are those that Nova's own proxies use for `internal_access_path`:
 *
 *   proxy: CONNECT <path> HTTP/1.1 ⏎⏎      host: HTTP/1.1 200 OK ⏎⏎ and from then on the console's bytes, both ways
 */
import { randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import type { Clock } from '@kilonova/base/clock.ts'
import { readHead } from '@kilonova/base/http/read-head.ts'
import type { CertificateFiles } from '@kilonova/base/http/tls.ts'
import { joinStreams } from '@kilonova/base/join-streams.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { ConsoleKind } from '../domain/console.ts'
import type { ConsolePlace } from '../rpc/compute.ts'
import type { Driver } from '../virt/driver.ts'
import { HostError } from '../virt/host-error.ts'

export interface ConsoleRelay {
  /** Errors: HostError ConsoleUnavailable when the guest does not have it now. */
  open(serverId: string, kind: ConsoleKind): Promise<ConsolePlace>
  close(): Promise<void>
}

const GOOD_FOR_MS = 30_000
const HEAD_TIMEOUT_MS = 10_000
const END = '\r\n\r\n'

interface Leave {
  readonly serverId: string
  readonly kind: ConsoleKind
  readonly until: number
}

export function consoleRelay({
  host,
  driver,
  clock,
  log,
  tls,
}: {
  readonly host: string
  readonly driver: Pick<Driver, 'consoles' | 'openConsole'>
  readonly clock: Clock
  readonly log: Log
  readonly tls?: CertificateFiles
}): ConsoleRelay {
  const leaves = new Map<string, Leave>()
  const sockets = new Set<Socket>()
  let listening: Promise<Server> | undefined

  function take(path: string): Leave | undefined {
    const leave = leaves.get(path)
    leaves.delete(path)
    return leave && leave.until > clock.now() ? leave : undefined
  }

  async function serve(socket: Socket): Promise<void> {
    const late = setTimeout(() => socket.destroy(), HEAD_TIMEOUT_MS)
    const request = await readHead(socket)
      .catch(() => '')
      .finally(() => clearTimeout(late))
    const [, path = ''] = /^CONNECT (\S+) HTTP\/1\.[01]$/.exec(request) ?? []
    const leave = take(path)
    if (!leave) return void socket.end(`HTTP/1.1 403 Forbidden${END}`)
    const guest = await driver.openConsole(leave.serverId, leave.kind).catch((error: unknown) => {
      log.info('console not opened', { server: leave.serverId, console: leave.kind, error })
    })
    if (!guest) return void socket.end(`HTTP/1.1 503 Service Unavailable${END}`)
    socket.write(`HTTP/1.1 200 OK${END}`)
    await joinStreams(socket, guest)
  }

  function accept(socket: Socket): void {
    socket.setNoDelay(true)
    socket.on('error', () => {})
    void serve(socket)
      .catch((error: unknown) => log.debug('console connection refused', { error }))
      .finally(() => socket.destroySoon())
  }

  async function listen(): Promise<Server> {
    const server = tls ? createTlsServer(tls.current(), accept) : createServer(accept)
    if (tls) tls.onReload((certificate) => (server as TlsServer).setSecureContext(certificate))
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    })
    server.listen(0, host)
    await once(server, 'listening')
    return server
  }

  return {
    open: async (serverId, kind) => {
      if (!(await driver.consoles(serverId)).includes(kind))
        throw new HostError('ConsoleUnavailable', `server ${serverId} has no ${kind} console now`)
      const server = await (listening ??= listen())
      const now = clock.now()
      for (const [old, { until }] of leaves) if (until <= now) leaves.delete(old)
      const path = `/${randomBytes(24).toString('base64url')}`
      leaves.set(path, { serverId, kind, until: now + GOOD_FOR_MS })
      const address = server.address()
      const port = typeof address === 'object' && address ? address.port : 0
      return { host, port, path, fingerprint: tls ? new X509Certificate(tls.current().cert).fingerprint256 : null }
    },
    close: async () => {
      const server = await listening?.catch(() => undefined)
      for (const socket of sockets) socket.destroy()
      if (server) await new Promise<void>((done) => server.close(() => done()))
    },
  }
}
