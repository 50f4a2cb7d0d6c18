/** An HTTP service of OpenStack's manners: a request id on every answer, faults in the service's own body, one log line a request. */
import { newRequestId } from '@kilonova/base/context.ts'
import type { CertificateFiles } from '@kilonova/base/http/tls.ts'
import { parseJson } from '@kilonova/base/http/json.ts'
import { httpServer } from '@kilonova/base/http/server.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify'
import { Fault } from './fault.ts'

export interface ServiceOptions {
  readonly host: string
  readonly port: number
  /** With it the service speaks HTTPS. */
  readonly tls?: CertificateFiles
  readonly log: Log
  faultBody(fault: Fault): unknown
  /** What must hold before /healthz answers 200. */
  ready?(): string | undefined
}

export interface Service {
  readonly app: FastifyInstance
  listen(): Promise<string>
  close(): Promise<void>
}

const BODY_LIMIT_BYTES = 1024 * 1024
const HOST = /^[\w.-]+(:\d{1,5})?$|^\[[\da-f:.]+\](:\d{1,5})?$/i

export function openstackService({
  host,
  port,
  tls,
  log,
  faultBody,
  ready = () => undefined,
}: ServiceOptions): Service {
  const { app, listen, close } = httpServer({
    host,
    port,
    bodyLimitBytes: BODY_LIMIT_BYTES,
    ready,
    ...(tls ? { tls } : {}),
  })
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    try {
      done(null, text === '' ? undefined : parseJson(text.toString()))
    } catch (cause) {
      done(new Fault(400, 'The request body is not valid JSON.', { cause }))
    }
  })
  app.addHook('onRequest', (request, reply, done) => {
    const id = newRequestId()
    request.id = id
    void reply.header('x-openstack-request-id', id)
    done()
  })
  // PostgreSQL keeps no text with a NUL, so none is taken, whatever the database.
  app.addHook('preHandler', ({ url, body }, _reply, done) => {
    done(url.includes('%00') || holdsNul(body) ? new Fault(400, 'A text may not have a NUL character.') : undefined)
  })
  app.addHook('onResponse', (request, reply, done) => {
    const facts = {
      requestId: request.id,
      method: request.method,
      path: request.url.split('?')[0],
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime * 10) / 10,
    }
    if (request.method === 'GET' || request.method === 'HEAD') log.debug('request answered', facts)
    else log.info('request answered', facts)
    done()
  })
  app.setErrorHandler((error: FastifyError | Fault, request, reply) => {
    const fault = asFault(error)
    if (fault.status >= 500)
      log.error('request failed', { requestId: request.id, path: request.routeOptions.url, error })
    return reply.code(fault.status).headers(fault.headers).send(faultBody(fault))
  })
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send(faultBody(new Fault(404, 'The resource could not be found.'))),
  )
  return { app, listen, close }
}

const holdsNul = (value: unknown): boolean =>
  typeof value === 'string'
    ? value.includes('\0')
    : typeof value === 'object' && value !== null && isPlain(value) && Object.entries(value).flat().some(holdsNul)
/** What JSON makes; an image's bytes come as a stream. */
const isPlain = (value: object): boolean => Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype

function asFault(error: FastifyError | Fault): Fault {
  if (error instanceof Fault) return error
  if (error.statusCode !== undefined && error.statusCode < 500)
    return new Fault(error.statusCode, `${error.message}.`.replace(/\.\.$/, '.'), { cause: error })
  return new Fault(500, 'An unexpected error prevented the server from fulfilling your request.', { cause: error })
}

/** `http://host:port` as the client knows it, for links in answers. */
export function publicUrl(request: FastifyRequest): string {
  const host = request.headers.host ?? ''
  return `${request.protocol}://${HOST.test(host) ? host : `127.0.0.1:${request.socket.localPort ?? 80}`}`
}
