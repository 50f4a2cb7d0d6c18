/** The Compute API daemon: every operation of the registry under every prefix, and an answer in Nova's manner to whatever else is asked. */
import { httpServer } from '@kilonova/base/http/server.ts'
import type { CertificateFiles } from '@kilonova/base/http/tls.ts'
import type { FastifyError, FastifyRequest } from 'fastify'
import type { ApiReach } from './context.ts'
import { authenticate } from './authenticate.ts'
import { begin, callerOf, failed, handler, type Handler } from './dispatch.ts'
import { ApiFault, notFound } from './faults.ts'
import { OPERATIONS } from './resources/index.ts'
import type { AnyOperation } from './resource.ts'
import { openLister } from './server-lister.ts'
import { serveVersions } from './versions.ts'

export interface ApiOptions extends Omit<ApiReach, 'lister'> {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** The SQLite file, when there is one: lists are then read in a thread of their own. */
  readonly readOnlyDatabaseFile?: string
  readonly tls?: CertificateFiles
  /** What must hold before /healthz answers 200, or undefined. */
  ready(): string | undefined
}

const PREFIXES = ['/v2.1', '/v2.1/:project_id', '/v2', '/v2/:project_id']
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH'] as const

/** Errors: PortTakenError. */
export async function startApi(options: ApiOptions): Promise<{ readonly url: string; close(): Promise<void> }> {
  const { host, port, tls, ready, readOnlyDatabaseFile, config } = options
  const lister = openLister(options, readOnlyDatabaseFile)
  const reach: ApiReach = { ...options, lister, log: options.log.in(import.meta) }
  const { app, listen, close } = httpServer({
    host,
    port,
    exactPaths: true,
    bodyLimitBytes: config.api.max_request_body_size,
    ready,
    ...(tls ? { tls } : {}),
  })

  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  app.addHook('onResponse', (request, reply, done) => {
    logAnswer(reach, request, reply.statusCode, reply.elapsedTime)
    done()
  })
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const requestId = begin(request, reply)
    return failed(reach, reply, ofFastify(error), requestId)
  })
  app.setNotFoundHandler(async (request, reply) => {
    const requestId = begin(request, reply)
    // Who is not known here is not told what there is.
    const known = await authenticate(reach, request.headers['x-auth-token'], requestId).then(
      () => notFound(),
      (error: unknown) => error,
    )
    return failed(reach, reply, known, requestId)
  })
  serveVersions(app)
  for (const [path, operations] of Map.groupBy(OPERATIONS, (operation) => operation.path)) {
    const handlers = byMethod(reach, operations)
    // One route for all methods: each route costs kilobytes. One that is not there is answered like a path that is not, as upstream does.
    for (const prefix of PREFIXES)
      app.route({
        method: [...METHODS],
        exposeHeadRoute: false,
        url: `${prefix}${path}`,
        handler: (request, reply) =>
          hasEmpty(request)
            ? reply.callNotFound()
            : (handlers.get(request.method === 'HEAD' ? 'GET' : request.method)?.(request, reply) ??
              reply.callNotFound()),
      })
  }
  try {
    const url = await listen()
    reach.log.info('compute API listens', { url })
    return {
      url,
      close: async () => {
        await close()
        await lister.close()
      },
    }
  } catch (error) {
    await lister.close()
    throw error
  }
}

/** The router takes nothing at all for a name, too. */
const hasEmpty = ({ params }: FastifyRequest): boolean => Object.values(params as object).includes('')

/** Several operations of one path and method differ in the versions they live in. */
function byMethod(reach: ApiReach, operations: readonly AnyOperation[]): ReadonlyMap<string, Handler> {
  return new Map(operations.map((operation) => [operation.method, handler(reach, operation)] as const))
}

const ofFastify = (error: FastifyError): unknown => {
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new ApiFault(413, 'Request is too large.', {}, { cause: error })
  return error.statusCode !== undefined && error.statusCode < 500
    ? new ApiFault(error.statusCode, error.message, {}, { cause: error })
    : error
}

/** Without the query, and without a console's token, which opens it to whoever reads it. */
function pathOf({ url, params }: FastifyRequest): string | undefined {
  const [path] = url.split('?')
  const { token } = (params ?? {}) as { readonly token?: string }
  return token === undefined || token === '' ? path : path?.replace(/[^/]+$/, '***')
}

function logAnswer({ log }: ApiReach, request: FastifyRequest, status: number, ms: number): void {
  const { userId: user, projectId: project } = callerOf(request) ?? {}
  const facts = {
    requestId: request.id,
    user,
    project,
    method: request.method,
    path: pathOf(request),
    status,
    ms: Math.round(ms * 10) / 10,
  }
  if (request.method === 'GET' || request.method === 'HEAD') log.debug('request answered', facts)
  else log.info('request answered', facts)
}
