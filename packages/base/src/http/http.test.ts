import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test, type TestContext } from 'node:test'
import { exchange, HttpUnreachableError } from './client.ts'
import { httpServer, PortTakenError } from './server.ts'

async function server(t: TestContext, ready: () => string | undefined = () => undefined, port = 0) {
  const made = httpServer({ host: '127.0.0.1', port, bodyLimitBytes: 1000, ready })
  made.app.post('/echo', (request) => ({ got: request.body, agent: request.headers['x-thing'] }))
  made.app.get('/text', (_request, reply) => reply.type('text/plain').send('plain'))
  made.app.get('/never', () => new Promise(() => undefined))
  const url = await made.listen()
  t.after(() => made.close())
  return { url, close: made.close }
}

test('JSON goes there and back; other text stays text; any status is an answer', async (t) => {
  const { url } = await server(t)
  const { status, body } = await exchange({
    method: 'POST',
    url: `${url}/echo`,
    json: { a: 1 },
    headers: { 'x-thing': 'y' },
  })
  assert.deepEqual({ status, body }, { status: 200, body: { got: { a: 1 }, agent: 'y' } })
  assert.equal((await exchange({ method: 'GET', url: `${url}/text` })).body, 'plain')
  assert.equal((await exchange({ method: 'GET', url: `${url}/nothing` })).status, 404)
  assert.equal((await exchange({ method: 'POST', url: `${url}/echo`, json: 'x'.repeat(2000) })).status, 413)
})

test('nobody there, or no answer in time, is one kind of error', async (t) => {
  const { url, close } = await server(t)
  await assert.rejects(exchange({ method: 'GET', url: `${url}/never`, timeoutMs: 30 }), HttpUnreachableError)
  await close()
  await assert.rejects(
    exchange({ method: 'GET', url: `${url}/text` }),
    (error: Error) => error instanceof HttpUnreachableError && error.cause instanceof Error,
  )
})

test('health says what is missing', async (t) => {
  let missing: string | undefined = 'the first content'
  const { url } = await server(t, () => missing)
  assert.deepEqual(
    await exchange({ method: 'GET', url: `${url}/healthz` }).then(({ status, body }) => ({ status, body })),
    { status: 503, body: { status: 'starting', reason: 'the first content' } },
  )
  missing = undefined
  assert.equal((await exchange({ method: 'GET', url: `${url}/healthz` })).status, 200)
})

test('a taken port is named', async (t) => {
  const { url } = await server(t)
  const port = Number(new URL(url).port)
  await assert.rejects(
    server(t, undefined, port),
    (error: Error) => error instanceof PortTakenError && error.port === port,
  )
})

test('what is not HTTP gets no more than an answer and an end', async (t) => {
  const { url } = await server(t)
  const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write('nonsense\r\n\r\n'))
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 400 /)
})
