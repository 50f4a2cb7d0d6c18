/**
 * A console proxy: websockets of users on one side, consoles of guests on the other, and nothing between them but bytes. One listens
 * for screens (and serves the page that shows them), one for serial lines.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocketServer, type WebSocket } from 'ws'
import type { Clock } from '@kilonova/base/clock.ts'
import { newRequestId } from '@kilonova/base/context.ts'
import { httpServer, type TlsLimits } from '@kilonova/base/http/server.ts'
import type { CertificateFiles } from '@kilonova/base/http/tls.ts'
import { joinStreams } from '@kilonova/base/join-streams.ts'
import type { Log } from '@kilonova/base/log.ts'
import { findConsoleLeave } from '../db/console-tokens.ts'
import type { Db } from '../db/database.ts'
import type { ConsoleKind, ConsoleLeave } from '../domain/console.ts'
import type { Bus } from '../rpc/bus.ts'
import { cutOff, forgetTokens } from './expire-leave.ts'
import { keepAlive } from './keep-alive.ts'
import { servePage } from './page.ts'
import { reachGuest } from './reach-guest.ts'
import { originFlaw, tokenOf } from './request.ts'
import { sessions } from './sessions.ts'

export interface ConsoleProxyOptions {
  readonly kind: ConsoleKind
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  readonly db: Db
  readonly bus: Bus
  readonly tls?: CertificateFiles
  readonly tlsLimits?: TlsLimits
  /** `[console] allowed_origins`. */
  readonly allowedOrigins: readonly string[]
  /** `[consoleauth] enforce_session_timeout`. */
  readonly endWithToken: boolean
  readonly ready: () => string | undefined
  readonly clock: Clock
  readonly log: Log
  /** How often open consoles are looked over; default 10 s. */
  readonly lookOverMs?: number
}

export interface ConsoleProxy {
  readonly url: string
  close(): Promise<void>
}

/** What one message of a client may have: noVNC's are small, a pasted text is not. */
const MAX_MESSAGE_BYTES = 1024 * 1024
const FORGET_EVERY = 30
/** WebSocket's "going away" and "internal error". */
const [GOING_AWAY, UNREACHABLE] = [1001, 1011]
const CLOSE_GRACE_MS = 1000

/** Errors: PortTakenError. */
export async function startConsoleProxy(options: ConsoleProxyOptions): Promise<ConsoleProxy> {
  const { kind, db, bus, clock, lookOverMs = 10_000 } = options
  const log = options.log.in(import.meta).with({ proxy: kind })
  const server = httpServer({
    host: options.host,
    port: options.port,
    bodyLimitBytes: 1024,
    ready: options.ready,
    ...(options.tls ? { tls: options.tls } : {}),
    ...(options.tlsLimits ? { tlsLimits: options.tlsLimits } : {}),
  })
  if (kind === 'vnc') servePage(server.app)
  const open = sessions()
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    // A client that only pings must not fill our memory with answers: keepAlive answers.
    autoPong: false,
    handleProtocols: (offered) => (offered.has('binary') ? 'binary' : false),
  })

  /** Errors: RefusedError. */
  async function leaveFor(request: IncomingMessage): Promise<ConsoleLeave> {
    const token = tokenOf(request.url ?? '', request.headers)
    const leave = token === undefined ? undefined : await findConsoleLeave(db, token, clock.now())
    if (leave?.kind !== kind) throw new RefusedError('The token is not valid, or no longer.')
    const flaw = originFlaw(request.headers, leave.accessUrlBase, options.allowedOrigins)
    if (flaw !== undefined) throw new RefusedError(flaw)
    return leave
  }

  async function connected(socket: WebSocket, leave: ConsoleLeave): Promise<void> {
    const said = log.with({ server: leave.serverId, host: leave.host })
    const end = (code: number, reason: string): void => {
      socket.close(code, reason)
      setTimeout(() => socket.terminate(), CLOSE_GRACE_MS).unref()
    }
    const stopKeeping = keepAlive(socket)
    const leaveOpen = open.begin({ leave, end: (reason) => end(GOING_AWAY, reason) })
    // Before the guest is reached: what the client says meanwhile waits in it.
    const user = createWebSocketStream(socket)
    user.on('error', () => {})
    try {
      const guest = await reachGuest(bus, leave, { requestId: newRequestId(), userId: '', projectId: '' })
      said.info('console opened')
      await joinStreams(user, guest)
      said.info('console closed')
    } catch (error) {
      said.warn('console not reached', { error })
      end(UNREACHABLE, 'the console cannot be reached')
    } finally {
      leaveOpen()
      stopKeeping()
    }
  }

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy())
    leaveFor(request).then(
      (leave) => sockets.handleUpgrade(request, socket, head, (client) => void connected(client, leave)),
      (error: unknown) => {
        if (error instanceof RefusedError) log.info('console refused', { reason: error.message })
        else log.error('console not looked up', { error })
        socket.end(refusal(error))
      },
    )
  }
  server.app.server.on('upgrade', upgrade)

  const expire = { db, sessions: open, endWithToken: options.endWithToken, clock, log }
  let beats = 0
  let working: Promise<void> | undefined
  const timer = setInterval(() => {
    beats += 1
    working ??= (beats % FORGET_EVERY === 1 ? forgetTokens(expire).then(() => cutOff(expire)) : cutOff(expire))
      .catch((error: unknown) => log.warn('open consoles not looked over', { error }))
      .finally(() => (working = undefined))
  }, lookOverMs)
  timer.unref()

  const url = await server.listen().catch((error: unknown) => {
    clearInterval(timer)
    throw error
  })
  log.info('console proxy listens', { url })
  return {
    url,
    close: async () => {
      clearInterval(timer)
      await working
      open.endAll('the proxy stops')
      await server.close()
    },
  }
}

class RefusedError extends Error {
  override readonly name = 'RefusedError'
}

/** The reason stands in the first line, as websockify has it: clients of websockets take what follows for frames. */
function refusal(error: unknown): string {
  const status = error instanceof RefusedError ? `403 ${error.message}` : '500 Not now.'
  return `HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`
}
