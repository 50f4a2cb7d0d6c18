/** A small JSON client over kept-open connections. It parses, counts time and gives up; what an answer means is the caller's. */
import { X509Certificate } from 'node:crypto'
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, type AgentOptions, request as httpsRequest } from 'node:https'
import type { Readable } from 'node:stream'
import { checkServerIdentity, getCACertificates } from 'node:tls'
import { pipeline } from 'node:stream'

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as it is (an image); exclusive with `json`. */
  readonly stream?: Readable
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** For HTTPS, instead of connections that trust whom the machine trusts. */
  readonly agent?: HttpsAgent
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** The parsed JSON body, or its text where it is not JSON; undefined when empty. */
  readonly body: unknown
}

/** The other side did not answer: refused, reset or too late. The request may have had its effect. */
export class HttpUnreachableError extends Error {
  override readonly name = 'HttpUnreachableError'
}

/** Whom HTTPS believes, beside the authorities that everybody does. PEM. */
export interface Trust {
  readonly authorities?: Buffer
  /** Our own services' certificate: believed whoever signed it, and under whatever name they are reached. */
  readonly own?: Buffer
}

let trust: Trust = {}
const POOL = { keepAlive: true, maxSockets: 256 }
let agents = { 'http:': new HttpAgent(POOL), 'https:': httpsAgent(POOL) }

/** For all connections of this process from now on: a process has one answer to whom it believes. Called where the process is put together. */
export function believe(whom: Trust): void {
  trust = whom
  agents = { ...agents, 'https:': httpsAgent(POOL) }
}

/** An agent of one's own that believes the same. */
export function httpsAgent(options: AgentOptions): HttpsAgent {
  const { authorities, own } = trust
  if (!authorities && !own) return new HttpsAgent(options)
  const fingerprint = own && new X509Certificate(own).fingerprint256
  return new HttpsAgent({
    ...options,
    ca: [...getCACertificates('default'), ...[authorities, own].flatMap((pem) => pem?.toString() ?? [])],
    allowPartialTrustChain: true,
    checkServerIdentity: (host, certificate) =>
      certificate.fingerprint256 === fingerprint ? undefined : checkServerIdentity(host, certificate),
  })
}
const MAX_JSON_BYTES = 64 * 1024 * 1024

/** Without credentials in the URL, and without the query, which may hold secrets, too. */
function placeOf({ method, url }: HttpRequest): string {
  const { origin, pathname } = new URL(url)
  return `${method} ${origin}${pathname}`
}

function send(request: HttpRequest): Promise<IncomingMessage> {
  const url = new URL(request.url)
  const payload = request.json === undefined ? undefined : Buffer.from(JSON.stringify(request.json))
  const headers: Record<string, string | number> = { accept: 'application/json', ...request.headers }
  if (payload)
    Object.assign(headers, {
      'content-type': headers['content-type'] ?? 'application/json',
      'content-length': payload.length,
    })
  const options = {
    method: request.method,
    headers,
    timeout: request.timeoutMs ?? 60_000,
    ...(request.signal ? { signal: request.signal } : {}),
  }
  return new Promise((done, fail) => {
    const broken = (error: Error) =>
      fail(new HttpUnreachableError(`${placeOf(request)}: ${error.message}`, { cause: error }))
    const out =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, agent: request.agent ?? agents['https:'] }, done)
        : httpRequest(url, { ...options, agent: agents['http:'] }, done)
    out.on('error', broken)
    out.on('timeout', () => out.destroy(new Error(`no answer within ${options.timeout} ms`)))
    if (request.stream) pipeline(request.stream, out, (error) => error && broken(error))
    else out.end(payload)
  })
}

async function text(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of message) {
    const part = chunk as Buffer
    size += part.length
    if (size > MAX_JSON_BYTES) throw new HttpUnreachableError(`answer larger than ${MAX_JSON_BYTES} bytes`)
    chunks.push(part)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** One exchange. Errors: HttpUnreachableError; any status is an answer. A request on a kept connection that the peer just closed is sent once more. */
export async function exchange(request: HttpRequest): Promise<HttpAnswer> {
  const once = async (): Promise<HttpAnswer> => {
    const message = await send(request)
    const raw = await text(message).catch((error: Error) => {
      throw new HttpUnreachableError(`${placeOf(request)}: ${error.message}`, { cause: error })
    })
    return { status: message.statusCode ?? 0, headers: message.headers, body: parse(raw) }
  }
  try {
    return await once()
  } catch (error) {
    const cause = error instanceof HttpUnreachableError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined
    if (cause?.code !== 'ECONNRESET' || request.stream || request.signal?.aborted || request.method === 'POST')
      throw error
    return once()
  }
}

/** The body as a stream, for what is too large to hold: the caller must read or destroy it. */
export const download = (request: HttpRequest): Promise<IncomingMessage> => send(request)

function parse(raw: string): unknown {
  if (raw === '') return undefined
  try {
    return JSON.parse(raw) as unknown
  } catch {
    return raw
  }
}
