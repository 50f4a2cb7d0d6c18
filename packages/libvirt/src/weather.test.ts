/** Bad weather: each kind of trouble spoils what it must and nothing more. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect, type ConnectOptions } from './client.ts'
import { DomainEventID } from './constants.gen.ts'
import {
  AuthRefusedError,
  ERR,
  ConnectionLostError,
  isLibvirtError,
  LibvirtError,
  ProtocolError,
  QueueFullError,
} from './errors.ts'
import { type FakeLibvirtd, fakeLibvirtd, type FakeLibvirtdOptions } from './fake/fake-libvirtd.ts'
import type { Client } from './client.ts'

const XML = '<domain><name>web</name><memory>65536</memory></domain>'

async function pair(
  t: TestContext,
  options: ConnectOptions = {},
  fakeOptions: Partial<FakeLibvirtdOptions> = {},
): Promise<{ fake: FakeLibvirtd; client: Client }> {
  const fake = await fakeLibvirtd({ listen: { port: 0 }, ...fakeOptions })
  t.after(() => fake.close())
  const client = await connect(fake.target, options)
  t.after(() => client.close())
  return { fake, client }
}
async function hear(fake: FakeLibvirtd, what: 'ping' | 'pong', times: number): Promise<void> {
  const [session] = fake.sessions
  assert(session)
  for (let heard = 0; heard < times; heard++) await once(session, what)
}

test('an error on order reaches that call alone', async (t) => {
  const { fake, client } = await pair(t)
  fake.weather.spoil(
    'domainLookupByName',
    { kind: 'error', code: ERR.OPERATION_TIMEOUT, message: 'busy' },
    { skip: 1, times: 2 },
  )
  await client.domainDefineXMLFlags(XML)
  await client.domainLookupByName('web')
  for (const _ of [1, 2]) {
    await assert.rejects(
      client.domainLookupByName('web'),
      (error) => isLibvirtError(error, 'OPERATION_TIMEOUT') && error.message === 'busy',
    )
  }
  assert.equal((await client.domainLookupByName('web')).name, 'web')
})

test('a call that takes effect before the connection drops is seen as lost, and has happened', async (t) => {
  const { fake, client } = await pair(t)
  fake.weather.spoil('domainDefineXMLFlags', { kind: 'drop', when: 'after' })
  await assert.rejects(client.domainDefineXMLFlags(XML), ConnectionLostError)
  assert.equal(fake.hypervisor.domains.size, 1)
  const again = await connect(fake.target)
  assert.equal((await again.domainLookupByName('web')).name, 'web')
  await again.close()
})

test('a connection that drops before the call has no effect', async (t) => {
  const { fake, client } = await pair(t)
  const lost = once(client, 'close')
  fake.weather.spoil('domainDefineXMLFlags', { kind: 'drop', when: 'before' })
  const others = [client.connectGetHostname(), client.domainDefineXMLFlags(XML), client.connectGetURI()]
  const results = await Promise.allSettled(others)
  assert(results.slice(1).every(({ status }) => status === 'rejected'))
  assert.equal(fake.hypervisor.domains.size, 0)
  assert.match(String(await lost), /ConnectionLostError/)
})

test('an answer whose body is broken spoils its call; the connection goes on', async (t) => {
  const { fake, client } = await pair(t)
  fake.weather.spoil('connectGetHostname', { kind: 'badBody', bytes: Uint8Array.of(0, 0, 0, 99) })
  await assert.rejects(client.connectGetHostname(), ProtocolError)
  fake.weather.spoil('connectGetHostname', { kind: 'badBody', bytes: new Uint8Array(12) })
  await assert.rejects(client.connectGetHostname(), /8 bytes too many/)
  assert.equal(await client.connectGetHostname(), 'fake')
})

for (const [what, bytes, reason] of [
  ['an impossible length', Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3), /a packet of 4294967295 bytes/],
  ['text', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), /a packet of 1213486160 bytes/],
  [
    'an answer nobody waits for',
    Buffer.from('0000001c20008086000000010000003b00000001000003e700000000', 'hex'),
    /an answer to call 999/,
  ],
] as const) {
  test(`${what} ends the connection for everybody`, async (t) => {
    const { fake, client } = await pair(t)
    fake.weather.spoil('connectGetHostname', { kind: 'garbage', bytes })
    const results = await Promise.allSettled([client.connectGetHostname(), client.connectGetURI()])
    assert(results[0].status === 'rejected')
    assert.match(String(results[0].reason), reason)
    assert(client.closed instanceof ConnectionLostError && client.closed.cause instanceof ProtocolError)
  })
}

test('a held answer does not hold up the others', async (t) => {
  const { fake, client } = await pair(t)
  let release = (): void => {}
  fake.weather.spoil('connectGetCapabilities', {
    kind: 'hold',
    until: new Promise((resolve) => {
      release = resolve
    }),
  })
  const order: string[] = []
  const slow = client.connectGetCapabilities().then(() => order.push('slow'))
  await client.connectGetHostname().then(() => order.push('quick'))
  release()
  await slow
  assert.deepEqual(order, ['quick', 'slow'])
})

test('no more calls are sent than may be in flight, so that pings still pass; too many are refused', async (t) => {
  const { fake, client } = await pair(t, { maxQueued: 3, keepalive: { intervalMs: 10, count: 2 } })
  let release = (): void => {}
  const until = new Promise<void>((resolve) => {
    release = resolve
  })
  fake.weather.spoil('connectGetType', { kind: 'hold', until }, { times: 7 })
  const calls = Array.from({ length: 7 }, () => client.connectGetType())
  await assert.rejects(client.connectGetType(), QueueFullError)
  await hear(fake, 'ping', 5)
  assert.equal([...fake.sessions][0]?.calls.filter((name) => name === 'connectGetType').length, 4)
  assert.equal(client.closed, undefined)
  release()
  assert.equal((await Promise.all(calls)).length, 7)
})

test('a daemon that does not answer pings is given up', async (t) => {
  const { fake, client } = await pair(t, { keepalive: { intervalMs: 10, count: 2 } })
  fake.weather.wire.answerPings = false
  fake.weather.spoil('connectGetHostname', { kind: 'hold', until: new Promise(() => {}) })
  await assert.rejects(client.connectGetHostname(), /no answer to 2 keepalive pings/)
})

test('the pings of the daemon are answered', async (t) => {
  const { fake, client } = await pair(
    t,
    { keepalive: { intervalMs: 1000 } },
    { keepalive: { intervalMs: 10, count: 2 } },
  )
  await hear(fake, 'pong', 5)
  assert.equal(client.closed, undefined)
})

test('events of every kind arrive, the first in the same bytes as the answer to its subscription', async (t) => {
  const { fake, client } = await pair(t)
  const domain = await client.domainDefineXMLFlags(XML)
  const { notify } = fake.hypervisor
  const seen: unknown[] = []
  const see = (event: object): void => void seen.push(event)
  for (const name of [
    'agentLifecycle',
    'blockJob',
    'migrationIteration',
    'jobCompleted',
    'deviceRemoved',
    'reboot',
  ] as const) {
    await client.onDomainEvent(name, see, domain)
  }
  notify('agentLifecycle', domain, { state: 1, reason: 2 })
  notify('blockJob', domain, { dst: 'vda', type: 1, status: 3 })
  notify('migrationIteration', domain, { iteration: 3 })
  notify('jobCompleted', domain, { params: [{ field: 'time_elapsed', type: 'ullong', value: 12n }] })
  notify('deviceRemoved', domain, { devAlias: 'ua-x' })
  notify('reboot', domain, {})
  await client.connectGetHostname()
  assert.deepEqual(seen, [
    { callbackID: 0, dom: domain, state: 1, reason: 2 },
    { callbackID: 1, dom: domain, dst: 'vda', type: 1, status: 3 },
    { callbackID: 2, dom: domain, iteration: 3 },
    { callbackID: 3, dom: domain, params: [{ field: 'time_elapsed', type: 'ullong', value: 12n }] },
    { callbackID: 4, dom: domain, devAlias: 'ua-x' },
    { callbackID: 5, dom: domain },
  ])
})

test('an event right behind the answer to its subscription is not lost', async (t) => {
  const fake = await fakeLibvirtd({
    listen: { port: 0 },
    handlers: {
      connectDomainEventCallbackRegisterAny({ eventID, dom }, serving) {
        assert.equal(eventID, DomainEventID.LIFECYCLE)
        const callbackID = serving.register(eventID, dom)
        // The answer is sent a few microtasks after this returns; merged, both leave in one write.
        setImmediate(() => serving.hypervisor.define(XML))
        return { callbackID }
      },
    },
  })
  t.after(() => fake.close())
  const client = await connect(fake.target)
  t.after(() => client.close())
  fake.weather.wire.mergePackets = 2
  const event = await new Promise<{ dom: { name: string } }>((resolve, reject) => {
    client.onDomainEvent('lifecycle', resolve).catch(reject)
  })
  assert.equal(event.dom.name, 'web')
})

test('a stream that the daemon fails is an error of that stream alone', async (t) => {
  const { fake, client } = await pair(t)
  fake.weather.spoil('domainScreenshot', { kind: 'error', code: ERR.NO_SUPPORT })
  const domain = await client.domainDefineXMLFlags(XML)
  await assert.rejects(client.openStream('domainScreenshot', { dom: domain, screen: 0 }), LibvirtError)
  assert.equal([...fake.sessions][0]?.streams, 0)
})

test('authentication other than none is refused with a reason', async (t) => {
  const fake = await fakeLibvirtd({ listen: { port: 0 }, handlers: { authList: () => ({ types: [1, 2] }) } })
  t.after(() => fake.close())
  await assert.rejects(
    connect(fake.target),
    (error: Error) => error instanceof AuthRefusedError && /wants SASL or polkit/.test(error.message),
  )
})

test('a hypervisor that cannot be opened is told by its error', async (t) => {
  const fake = await fakeLibvirtd({ listen: { port: 0 } })
  t.after(() => fake.close())
  fake.weather.spoil('connectOpen', { kind: 'error', code: ERR.NO_CONNECT })
  await assert.rejects(connect(fake.target), (error) => isLibvirtError(error, 'NO_CONNECT'))
})

test('a daemon that is not there, or says nothing, is told so', async (t) => {
  await assert.rejects(
    connect({ path: '/nonexistent/libvirt-sock' }),
    /cannot reach libvirtd at \/nonexistent\/libvirt-sock: .*ENOENT/,
  )
  const mute = createServer().listen(0, '127.0.0.1')
  await once(mute, 'listening')
  t.after(() => mute.close())
  mute.on('connection', (socket) => t.after(() => socket.destroy()))
  const address = mute.address()
  const port = typeof address === 'object' && address ? address.port : 0
  await assert.rejects(connect({ host: '127.0.0.1', port }, { timeoutMs: 50 }), /did not answer within 50 ms/)
})

test('a daemon that restarts keeps its domains, clients connect anew', async (t) => {
  const { fake, client } = await pair(t)
  await client.domainDefineXMLFlags(XML)
  const lost = once(client, 'close')
  fake.dropAll()
  await lost
  const again = await connect(fake.target)
  assert.equal((await again.connectListAllDomains()).length, 1)
  await again.close()
})

test('closing does not wait for calls that hang', async (t) => {
  const { fake, client } = await pair(t)
  fake.weather.spoil('connectGetHostname', { kind: 'hold', until: new Promise(() => {}) })
  const hanging = assert.rejects(client.connectGetHostname(), /closed by us/)
  await client.close()
  await hanging
})

test('an exception in a listener is not ours', async (t) => {
  const { client } = await pair(t)
  const uncaught = new Promise((resolve) => {
    process.setUncaughtExceptionCaptureCallback(resolve)
  })
  t.after(() => process.setUncaughtExceptionCaptureCallback(null))
  await client.onDomainEvent('lifecycle', () => {
    throw new Error('the listener broke')
  })
  await client.domainDefineXMLFlags(XML)
  assert.match(String(await uncaught), /the listener broke/)
  assert.equal(await client.connectGetHostname(), 'fake')
})
