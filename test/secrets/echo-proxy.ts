/** Stands before a service and passes everything on, until it is told to misbehave: then it answers with what it was sent, secrets and all. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** `pass`, a status for the echo, `cut` to break the connection, `nonsense` for a 200 that is none. */
export type Mood = 'pass' | 400 | 401 | 403 | 409 | 500 | 503 | 'cut' | 'nonsense'

export interface EchoProxy {
  readonly url: string
  /** Tokens that came by. */
  readonly tokens: ReadonlySet<string>
  mood: Mood
  /** `POST /v2.0/ports`, each that came by. */
  readonly asked: readonly string[]
  /** Where to pass on to; known only once that service runs. */
  target: string
  close(): void
}

export async function echoProxy(): Promise<EchoProxy> {
  const tokens = new Set<string>()
  const asked: string[] = []
  const server = createServer((request, reply) => {
    void serve(request, reply).catch(() => reply.destroy())
  })
  async function serve(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    for (const name of ['x-auth-token', 'x-subject-token']) {
      const token = request.headers[name]
      if (typeof token === 'string') tokens.add(token)
    }
    asked.push(`${request.method} ${request.url}`)
    const { mood } = proxy
    if (mood === 'cut') {
      reply.destroy()
      return
    }
    if (mood !== 'pass') {
      const said = `${request.method} ${request.url} ${JSON.stringify(request.headers)} ${body.toString()}`
      const status = mood === 'nonsense' ? 200 : mood
      const json = mood === 'nonsense' ? { token: said, image: said } : { error: { message: said, code: status } }
      reply.writeHead(status, { 'content-type': 'application/json', 'x-echo': 'yes' }).end(JSON.stringify(json))
      return
    }
    const { host: _, connection: __, 'content-length': ___, ...headers } = request.headers
    const gone = new AbortController()
    reply.on('close', () => gone.abort())
    const answer = await fetch(`${proxy.target}${request.url}`, {
      method: request.method ?? 'GET',
      headers: headers as Record<string, string>,
      signal: gone.signal,
      ...(body.length > 0 ? { body } : {}),
    })
    const { 'content-encoding': ____, 'transfer-encoding': _____, ...back } = Object.fromEntries(answer.headers)
    reply.writeHead(answer.status, back).end(Buffer.from(await answer.arrayBuffer()))
  }
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const proxy: EchoProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tokens,
    asked,
    mood: 'pass',
    target: '',
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
  return proxy
}
