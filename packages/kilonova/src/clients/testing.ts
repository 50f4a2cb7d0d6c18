/** For tests: an HTTP server that answers by a table and remembers what it was asked; a clock that is moved by hand. */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { Clock } from '@kilonova/base/clock.ts'
import type { Keystone } from './keystone.ts'

export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly bytes?: Buffer
}
export interface Request {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly json: unknown
}
/** `GET /v2/images/1` to its answer; undefined is a 404. */
export type Table = (request: Request) => Answer | undefined

export async function httpService(
  t: TestContext,
  table: Table,
): Promise<{ readonly url: string; readonly asked: Request[]; close(): Promise<void> }> {
  const asked: Request[] = []
  const server = createServer((message, reply) => {
    const chunks: Buffer[] = []
    message.on('data', (chunk: Buffer) => chunks.push(chunk))
    message.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const { pathname, searchParams } = new URL(message.url ?? '/', 'http://localhost')
      const request = {
        method: message.method ?? '',
        path: pathname,
        query: searchParams,
        headers: message.headers,
        json: text === '' ? undefined : (JSON.parse(text) as unknown),
      }
      asked.push(request)
      const {
        status = 200,
        headers = {},
        json,
        bytes,
      } = table(request) ?? { status: 404, json: { message: 'not there' } }
      reply.writeHead(status, headers).end(bytes ?? (json === undefined ? undefined : JSON.stringify(json)))
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const close = async () => {
    server.closeAllConnections()
    if (server.listening) await new Promise((done) => server.close(done))
  }
  t.after(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, close }
}

export interface HandClock extends Clock {
  pass(ms: number): void
}
export function handClock(start = 1_000_000): HandClock {
  let now = start
  return { now: () => now, pass: (ms) => void (now += ms) }
}

/** Our own token is `ours-<n>`, another one after it was refused. */
export function fakeKeystone(endpoints: Readonly<Record<string, string>>): Keystone {
  let number = 1
  return {
    validate: async () => undefined,
    serviceToken: async () => `ours-${number}`,
    forgetServiceToken: (token) => void (token === `ours-${number}` && number++),
    projectExists: async () => true,
    endpoint: async (type) => endpoints[type] ?? '',
  }
}
