/** An HTTP server as all our daemons want it: bounded, slow clients cut, loopback by default, health at /healthz, stopped cleanly. */
import type { Server as HttpsServer } from 'node:https'
import fastify, { type FastifyInstance } from 'fastify'
import type { CertificateFiles } from './tls.ts'

export interface HttpServerOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  readonly bodyLimitBytes: number
  /** With it the server speaks HTTPS. */
  readonly tls?: CertificateFiles
  /** What it speaks of TLS, where that is not Node's choice. */
  readonly tlsLimits?: TlsLimits
  /** A path is another one with a slash behind it. */
  readonly exactPaths?: boolean
  /** What must hold before /healthz answers 200; until then it answers 503 with the reason. */
  ready(): string | undefined
}

export interface TlsLimits {
  readonly minVersion?: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'
  /** As OpenSSL writes them. */
  readonly ciphers?: string
}

export interface HttpServer {
  readonly app: FastifyInstance
  /** Binds and returns the base URL, `http://127.0.0.1:8774`. Errors: PortTakenError. */
  listen(): Promise<string>
  close(): Promise<void>
}

export class PortTakenError extends Error {
  override readonly name = 'PortTakenError'
  readonly port: number
  constructor(port: number, options?: ErrorOptions) {
    super(`port ${port} is taken by another program`, options)
    this.port = port
  }
}

/** Request line and headers together; more is answered 431. */
const MAX_HEADER_BYTES = 32 * 1024
const MAX_HEADERS = 200
/** More connections than this are closed at once: each costs memory, and the process has only so many files to open. */
const MAX_CONNECTIONS = 10_000
const TIMES = {
  headersTimeout: 20_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 75_000,
  connectionsCheckingInterval: 2_000,
}

export function httpServer(options: HttpServerOptions): HttpServer {
  const bounds = { maxHeaderSize: MAX_HEADER_BYTES, ...TIMES }
  const app: FastifyInstance = fastify({
    logger: false,
    bodyLimit: options.bodyLimitBytes,
    // Also overrides what Node was given for the same.
    requestTimeout: TIMES.requestTimeout,
    keepAliveTimeout: TIMES.keepAliveTimeout,
    forceCloseConnections: true,
    // The header's bound is the path's: what is too long for a name is for its handler to say, in its service's words.
    routerOptions: { maxParamLength: MAX_HEADER_BYTES, ignoreTrailingSlash: !options.exactPaths },
    ...(options.tls
      ? { https: { ...bounds, handshakeTimeout: TIMES.headersTimeout, ...options.tlsLimits, ...options.tls.current() } }
      : { http: bounds }),
  } as object) as FastifyInstance
  app.server.maxHeadersCount = MAX_HEADERS
  app.server.maxConnections = MAX_CONNECTIONS
  options.tls?.onReload((certificate) => (app.server as unknown as HttpsServer).setSecureContext(certificate))
  app.get('/healthz', (_request, reply) => {
    const missing = options.ready()
    return reply
      .code(missing === undefined ? 200 : 503)
      .send(missing === undefined ? { status: 'ok' } : { status: 'starting', reason: missing })
  })
  return {
    app,
    listen: async () => {
      try {
        await app.listen({ host: options.host, port: options.port })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE')
          throw new PortTakenError(options.port, { cause: error })
        throw error
      }
      const address = app.server.address()
      const port = typeof address === 'object' && address ? address.port : options.port
      const host = options.host.includes(':') ? `[${options.host}]` : options.host
      return `${options.tls ? 'https' : 'http'}://${host}:${port}`
    },
    close: () => app.close(),
  }
}
