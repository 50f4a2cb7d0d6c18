/** A host's relay: a path opens one console, once and for moments; both sides end together; nobody fills our memory. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { silentLog } from '@kilonova/base/log.ts'
import { systemClock } from '@kilonova/base/clock.ts'
import { guestOf } from '../virt/contract-values.ts'
import { fakeDriver } from '../virt/fake/driver.ts'
import { consoleRelay } from './console-relay.ts'

async function world(t: TestContext, openConsole?: () => Promise<Duplex>) {
  let now = 1_000_000
  const clock = { now: () => now }
  const driver = fakeDriver({ host: 'h1', clock: systemClock() })
  await driver.start(guestOf('a', { imageId: null }))
  const relay = consoleRelay({
    host: '127.0.0.1',
    driver: openConsole ? { ...driver, openConsole } : driver,
    clock,
    log: silentLog,
  })
  t.after(() => relay.close())
  const ask = async (port: number, text: string): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    socket.write(text)
    return socket
  }
  return { relay, driver, ask, pass: (ms: number) => void (now += ms) }
}
const answer = async (socket: Socket): Promise<string> => String((await once(socket, 'data'))[0])
const connectTo = (path: string): string => `CONNECT ${path} HTTP/1.1\r\n\r\n`

test('a path opens its console, and only once', async (t) => {
  const { relay, ask } = await world(t)
  const { port, path } = await relay.open('a', 'serial')
  const socket = await ask(port, `${connectTo(path)}hello\r`)
  let text = ''
  socket.on('data', (bytes: Buffer) => (text += bytes.toString()))
  while (!text.includes('hello: command not found')) await once(socket, 'data')
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n\r\nhello/)
  assert.match(await answer(await ask(port, connectTo(path))), /^HTTP\/1\.1 403 /)
})

test('a path that nobody gave out, or that is old, opens nothing; nor do other words', async (t) => {
  const { relay, ask, pass } = await world(t)
  const { port, path } = await relay.open('a', 'vnc')
  for (const words of [connectTo('/guessed'), 'GET / HTTP/1.1\r\n\r\n', '\r\n\r\n', 'x'.repeat(5000)])
    assert.match(await answer(await ask(port, words)), /^HTTP\/1\.1 403 /)
  pass(31_000)
  assert.match(await answer(await ask(port, connectTo(path))), /^HTTP\/1\.1 403 /)
})

test('no leave is given for a guest that does not run; one that stops is cut off', async (t) => {
  const { relay, driver, ask } = await world(t)
  await assert.rejects(relay.open('b', 'vnc'), { name: 'ConsoleUnavailable' })
  const open = await relay.open('a', 'vnc')
  const late = await relay.open('a', 'vnc')
  const socket = await ask(open.port, connectTo(open.path))
  await answer(socket)
  socket.resume()
  await driver.powerOff('a')
  await once(socket, 'close')
  assert.match(await answer(await ask(late.port, connectTo(late.path))), /^HTTP\/1\.1 503 /)
})

test('a guest that floods waits for a client that does not read', async (t) => {
  let sent = 0
  const flood = new Duplex({
    read() {
      sent += 64 * 1024
      this.push(Buffer.alloc(64 * 1024))
    },
    write: (_chunk, _encoding, done) => done(),
  })
  const { relay, ask } = await world(t, async () => flood)
  const { port, path } = await relay.open('a', 'serial')
  const socket = await ask(port, connectTo(path))
  await answer(socket)
  socket.pause()
  let before = -1
  while (before !== sent) {
    before = sent
    await delay(100) // until it stops: nothing announces that
  }
  assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes are on their way`)
  socket.resume()
  await once(socket, 'data')
  assert.ok(flood.destroyed === false)
})
