import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { test, type TestContext } from 'node:test'
import { silentLog } from '@kilonova/base/log.ts'
import { metadataProxy } from './metadata-proxy.ts'

async function serve(context: TestContext, server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  context.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
}

const proxyTo = (context: TestContext, proxyTarget: string, who: string | undefined): Promise<string> =>
  serve(
    context,
    metadataProxy(
      { proxyTo: proxyTarget, sharedSecret: 'shared' },
      (address) =>
        address === '127.0.0.1' && who !== undefined ? { serverId: who, projectId: 'project-1' } : undefined,
      silentLog,
    ),
  )

interface Reply {
  readonly status: number
  readonly body: string
  readonly type: string | undefined
}

const ask = (url: string, headers: Record<string, string> = {}, method = 'GET', body?: string): Promise<Reply> =>
  new Promise((done, fail) => {
    const out = request(url, { method, headers, agent: false }, async (reply) => {
      const chunks: Buffer[] = []
      for await (const chunk of reply) chunks.push(chunk as Buffer)
      done({
        status: reply.statusCode ?? 0,
        body: Buffer.concat(chunks).toString(),
        type: reply.headers['content-type'],
      })
    })
    out.on('error', fail)
    out.end(body)
  })

test('the request goes on with who asks, signed; what the guest says of itself does not', async (context) => {
  const service = await serve(
    context,
    createServer((from, to) => {
      to.writeHead(203, { 'content-type': 'application/json' }).end(
        JSON.stringify({ url: from.url, method: from.method, ...from.headers }),
      )
    }),
  )
  const url = await proxyTo(context, service, 'server-1')
  const lies = {
    'X-Instance-ID': 'server-2',
    'X-Tenant-ID': 'other',
    'X-Forwarded-For': '10.9.9.9',
    'X-Instance-ID-Signature': '00',
    X_Instance_ID: 'server-3',
    'X-Metadata-Provider': 'provider',
    'X-Metadata-Provider-Signature': '00',
    Forwarded: 'for=10.9.9.9',
    Host: 'elsewhere',
  }
  const { status, body, type } = await ask(`${url}/openstack//latest/?x=1`, { ...lies, 'X-Kept': 'yes' })
  const seen = JSON.parse(body) as Record<string, string>
  assert.equal(status, 203)
  assert.equal(type, 'application/json')
  assert.equal(seen['url'], '/openstack//latest/?x=1')
  assert.equal(seen['x-instance-id'], 'server-1')
  assert.equal(seen['x-instance-id-signature'], createHmac('sha256', 'shared').update('server-1').digest('hex'))
  assert.equal(seen['x-forwarded-for'], '127.0.0.1')
  assert.equal(seen['x-tenant-id'], 'project-1')
  for (const lie of ['x_instance_id', 'x-metadata-provider', 'x-metadata-provider-signature', 'forwarded'])
    assert.equal(seen[lie], undefined, lie)
  assert.equal(seen['x-kept'], 'yes')
  assert.equal(`http://${seen['host']}`, service)
})

test('a body goes on; one without a length or too long does not', async (context) => {
  const service = await serve(
    context,
    createServer(async (from, to) => {
      let length = 0
      for await (const chunk of from) length += (chunk as Buffer).length
      to.end(String(length))
    }),
  )
  const url = await proxyTo(context, service, 'server-1')
  assert.equal((await ask(url, { 'content-length': '5' }, 'POST', 'hello')).body, '5')
  assert.equal((await ask(url, { 'transfer-encoding': 'chunked' }, 'POST', 'hello')).status, 411)
  assert.equal((await ask(url, { 'content-length': '70000' }, 'POST', 'x'.repeat(70_000))).status, 413)
})

test('an address that no port has is not found; a service that does not answer is unavailable', async (context) => {
  const nobody = await proxyTo(context, 'http://127.0.0.1:1', undefined)
  assert.equal((await ask(nobody)).status, 404)
  const silent = await proxyTo(context, 'http://127.0.0.1:1', 'server-1')
  assert.equal((await ask(silent)).status, 503)
})

test('a guest that asks for everything at once is told to wait, and one that only connects is cut off', async (context) => {
  const waiting: ServerResponse[] = []
  const held = Promise.withResolvers<void>()
  const service = await serve(
    context,
    createServer((_from, to) => {
      waiting.push(to)
      if (waiting.length === 8) held.resolve()
    }),
  )
  const url = await proxyTo(context, service, 'server-1')
  const first = Array.from({ length: 8 }, () => ask(url))
  await held.promise
  assert.equal((await ask(url)).status, 429)
  for (const to of waiting) to.end('late')
  for (const { body } of await Promise.all(first)) assert.equal(body, 'late')
  const again = ask(url)
  while (waiting.length < 9) await new Promise((done) => setImmediate(done))
  waiting[8]?.end('again')
  assert.equal((await again).body, 'again')

  const { port } = new URL(url)
  const open = Array.from({ length: 32 }, () => connect(Number(port), '127.0.0.1'))
  context.after(() => open.forEach((socket) => socket.destroy()))
  await Promise.all(open.map((socket) => once(socket, 'connect')))
  await assert.rejects(ask(url), { code: /ECONNRESET|EPIPE/ })
  for (const socket of open) socket.destroy()
})

test('who says what it wants too slowly is cut off', { timeout: 5_000 }, async (context) => {
  const patience = {
    headersTimeout: 50,
    requestTimeout: 100,
    connectionsCheckingInterval: 20,
    keepAliveTimeout: 60_000,
  }
  const target = { proxyTo: 'http://127.0.0.1:1', sharedSecret: 'shared' }
  const url = await serve(
    context,
    metadataProxy(target, () => ({ serverId: 'server-1', projectId: 'p' }), silentLog, patience),
  )
  for (const said of [
    'GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc',
  ]) {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.resume().write(said)
    await once(socket, 'close')
  }
})
