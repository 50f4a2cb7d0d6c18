/** A console proxy over fake hosts: who may open what, what they see, and what ends it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createWebSocketStream, type WebSocket } from 'ws'
import { textOf } from '../virt/console-reader.ts'
import { SCREEN } from '../virt/fake/rfb.ts'
import { proxyWorld } from './testing/proxy-world.ts'
import { viewScreen, type Viewer } from './testing/rfb-client.ts'

/** The screen behind a websocket, which stays open. */
function watch(socket: WebSocket): Promise<Viewer> {
  const stream = createWebSocketStream(socket)
  stream.on('error', () => {})
  return viewScreen(stream)
}

/** The status of a refused handshake. */
const refused = async (socket: WebSocket): Promise<string> => {
  const [request, response] = (await once(socket, 'unexpected-response')) as [
    { destroy(): void },
    { statusCode: number; statusMessage: string } & AsyncIterable<Buffer>,
  ]
  for await (const chunk of response) assert.equal(chunk.length, 0, 'nothing that could be taken for frames')
  request.destroy()
  return `${response.statusCode} ${response.statusMessage}`
}
const NOT_VALID = '403 The token is not valid, or no longer.'

test('a screen is shown, and changes when its keyboard is used', async (t) => {
  const { server, token, open } = await proxyWorld(t)
  const socket = open(`/?token=${await token(await server())}`)
  const screen = await watch(socket)
  assert.equal(socket.protocol, 'binary')
  assert.equal(screen.name, 'on-h1')
  assert.deepEqual([screen.width, screen.height], [SCREEN.width, SCREEN.height])
  const before = await screen.picture()
  screen.type('k')
  const after = await screen.changed(before, 5000)
  assert.equal(after.length, 12 + SCREEN.width * SCREEN.height * 4)
})

test("the token comes as a parameter, within noVNC's path, or as a cookie; with or without a protocol", async (t) => {
  const { server, token, open } = await proxyWorld(t)
  const id = await server()
  for (const [path, headers, protocols] of [
    [`/websockify?token=${await token(id)}`, {}, []],
    [`/?path=${encodeURIComponent(`?token=${await token(id)}`)}`, {}, ['base64', 'binary']],
    ['/', { cookie: `a=b; token="${await token(id)}"` }, ['binary']],
  ] as const)
    assert.equal((await watch(open(path, { headers, protocols }))).name, 'on-h1')
})

test('a token opens the console of its own server, wherever that is', async (t) => {
  const { server, token, open } = await proxyWorld(t)
  const [one, two] = [await server('h1'), await server('h2')]
  assert.equal((await watch(open(`/?token=${await token(one)}`))).name, 'on-h1')
  assert.equal((await watch(open(`/?token=${await token(two, { host: 'h2' })}`))).name, 'on-h2')
})

test('a token that is wrong, late, or of another kind of console opens nothing', async (t) => {
  const { server, token, open, pass } = await proxyWorld(t)
  const id = await server()
  const good = await token(id)
  for (const path of ['/', '/?token=', '/?token=guessed', `/?token=${good}0`, `/?token=${'x'.repeat(5000)}`])
    assert.equal(await refused(open(path)), NOT_VALID, path)
  assert.equal(await refused(open(`/?token=${await token(id, { kind: 'serial' })}`)), NOT_VALID)
  await watch(open(`/?token=${good}`))
  pass(600_000)
  assert.equal(await refused(open(`/?token=${good}`)), NOT_VALID)
})

test('a server that is deleted, or being deleted, or elsewhere by now takes its tokens with it', async (t) => {
  const { db, server, token, open } = await proxyWorld(t)
  for (const change of [{ task_state: 'deleting' }, { deleted_at: 1, vm_state: 'deleted' }, { host: 'h2' }]) {
    const id = await server()
    const good = await token(id)
    await db.updateTable('servers').set(change).where('id', '=', id).execute()
    assert.equal(await refused(open(`/?token=${good}`)), NOT_VALID, JSON.stringify(change))
  }
})

test("pages of strangers open nothing; the proxy's own, and those that are allowed by name, do", async (t) => {
  const { proxy, server, token, open } = await proxyWorld(t, { allowedOrigins: ['dashboard.example'] })
  const id = await server()
  const path = async (accessUrlBase = 'http://127.0.0.1:6080/') => `/?token=${await token(id, { accessUrlBase })}`
  for (const origin of ['http://evil.example', 'http://127.0.0.2', 'null', 'file://'])
    assert.match(await refused(open(await path(), { headers: { origin } })), /^403 Origin header/, origin)
  const plain = { headers: { origin: 'http://dashboard.example' } }
  assert.match(await refused(open(await path('https://console.example/'), plain)), /^403 Origin header protocol/)
  for (const origin of [proxy.url, 'http://dashboard.example:8080'])
    await watch(open(await path(), { headers: { origin } }))
  const forwarded = { headers: { origin: 'http://dashboard.example', 'x-forwarded-proto': 'https' } }
  await watch(open(await path('https://console.example/'), forwarded))
})

test('a guest that goes takes its watchers along; one that is out of reach is told of at the next look', async (t) => {
  const { db, drivers, server, token, open } = await proxyWorld(t, { lookOverMs: 20 })
  const [one, two] = [await server(), await server()]
  const first = open(`/?token=${await token(one)}`)
  await watch(first)
  const second = open(`/?token=${await token(two)}`)
  await watch(second)
  const over = once(first, 'close')
  await drivers.h1.destroy(one)
  await over
  const cut = once(second, 'close')
  await db.updateTable('servers').set({ task_state: 'deleting' }).where('id', '=', two).execute()
  const [code, reason] = (await cut) as [number, Buffer]
  assert.deepEqual([code, reason.toString()], [1001, 'the server is gone from here'])
  // Its tokens go when it is gone.
  await db.updateTable('servers').set({ deleted_at: 1 }).where('id', 'in', [one, two]).execute()
  assert.equal((await db.selectFrom('console_tokens').selectAll().execute()).length, 2)
})

test('an open console outlives its token, unless the operator says otherwise', async (t) => {
  for (const endWithToken of [false, true]) {
    const { server, token, open, pass } = await proxyWorld(t, { endWithToken, lookOverMs: 20 })
    const socket = open(`/?token=${await token(await server())}`)
    const screen = await watch(socket)
    pass(600_001)
    if (endWithToken) assert.equal(((await once(socket, 'close')) as [number])[0], 1001)
    else {
      await delay(100) // several looks
      await screen.picture()
    }
  }
})

test('a serial line carries bytes both ways; the newest listener takes it over', async (t) => {
  const { server, token, open } = await proxyWorld(t, { kind: 'serial' })
  const id = await server()
  const first = open(`/?token=${await token(id)}`)
  const line = createWebSocketStream(first)
  line.on('error', () => {})
  line.write('hello\r')
  await textOf(line).until(/hello: command not found\r\non-h1 login: $/)
  const over = once(first, 'close')
  const second = createWebSocketStream(open(`/?token=${await token(id)}`))
  second.on('error', () => {})
  const [code, reason] = (await over) as [number, Buffer]
  assert.deepEqual([code, reason.toString()], [1001, 'somebody else opened this console'])
  second.write('again\r')
  await textOf(second).until(/again: command not found/)
})

test('a guest that does not run, or a host that does not answer: the client is told', async (t) => {
  const { drivers, server, token, open } = await proxyWorld(t)
  const id = await server()
  const good = await token(id)
  await drivers.h1.powerOff(id)
  const [code, reason] = (await once(open(`/?token=${good}`), 'close')) as [number, Buffer]
  assert.deepEqual([code, reason.toString()], [1011, 'the console cannot be reached'])
})

/** Bytes that are on their way between two ends of which one does not listen: a few buffers of the system, and of ours. */
const FEW = 32 * 1024 * 1024
async function whenStill(count: () => number): Promise<number> {
  for (let before = -1; before !== count(); await delay(200)) before = count() // nothing announces it
  return count()
}

test('a guest that floods waits for a client that does not read', async (t) => {
  let said = 0
  const guest = new Duplex({
    read() {
      said += 64 * 1024
      this.push(Buffer.alloc(64 * 1024))
    },
    write: (_chunk, _encoding, done) => done(),
  })
  const { server, token, open } = await proxyWorld(t, { openConsole: async () => guest })
  const socket = open(`/?token=${await token(await server())}`)
  await once(socket, 'open')
  socket.pause()
  const resident = process.memoryUsage().rss
  assert.ok((await whenStill(() => said)) < FEW, `${said} bytes are on their way`)
  assert.ok(process.memoryUsage().rss - resident < 2 * FEW)
  const before = said
  socket.resume()
  while (said < before + FEW) await once(socket, 'message')
})

test('a client that floods waits for a guest that does not read, by data or by pings', async (t) => {
  const deaf = async () => new Duplex({ read() {}, write() {} })
  const { server, token, open } = await proxyWorld(t, { openConsole: deaf })
  const socket = open(`/?token=${await token(await server())}`)
  await once(socket, 'open')
  let sent = 0
  const chunk = Buffer.alloc(64 * 1024)
  const send = (): void => {
    if (sent < 4 * FEW && socket.readyState === socket.OPEN)
      socket.send(chunk, (error) => {
        if (error) return
        sent += chunk.length
        send()
      })
  }
  send()
  assert.ok((await whenStill(() => sent)) < FEW, `${sent} bytes were taken`)
  const [pinger, resident] = [open(`/?token=${await token(await server())}`), process.memoryUsage().rss]
  await once(pinger, 'open')
  pinger.pause()
  for (let round = 0; round < 200; round++)
    await new Promise((done) => {
      for (let i = 0; i < 999; i++) pinger.ping(chunk.subarray(0, 125))
      pinger.ping(chunk.subarray(0, 125), undefined, done)
    })
  assert.ok(process.memoryUsage().rss - resident < 2 * FEW)
})

test('a proxy that stops says so to whoever is connected', async (t) => {
  const { proxy, server, token, open } = await proxyWorld(t)
  const socket = open(`/?token=${await token(await server())}`)
  await watch(socket)
  const over = once(socket, 'close')
  await proxy.close()
  assert.deepEqual(String((await over)[1]), 'the proxy stops')
})
