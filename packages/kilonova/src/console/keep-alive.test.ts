/** Websockets whose other side is gone without a word are ended; those that answer, or say something, are kept; pings are answered. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { keepAlive } from './keep-alive.ts'

const EVERY_MS = 20

async function pair(t: TestContext, options: { readonly autoPong: boolean }): Promise<WebSocket> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong: false })
  server.on('connection', (socket) => keepAlive(socket, EVERY_MS))
  await once(server, 'listening')
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, options)
  t.after(() => {
    client.terminate()
    server.close()
  })
  await once(client, 'open')
  return client
}

test('one that is silent is ended', async (t) => {
  const began = performance.now()
  const client = await pair(t, { autoPong: false })
  await once(client, 'close')
  assert.ok(performance.now() - began >= 3 * EVERY_MS)
})

test('one that answers pings is kept, and so is one that only speaks', async (t) => {
  const answers = await pair(t, { autoPong: true })
  const speaks = await pair(t, { autoPong: false })
  for (let round = 0; round < 20; round++) {
    speaks.send('x')
    await once(answers, 'ping')
  }
  assert.deepEqual([answers.readyState, speaks.readyState], [WebSocket.OPEN, WebSocket.OPEN])
})

test('a ping is answered', async (t) => {
  const client = await pair(t, { autoPong: true })
  client.ping('are you there')
  assert.equal(String((await once(client, 'pong'))[0]), 'are you there')
})
