import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import { eachPiece } from './pieces.ts'

const read = async (stream: Readable): Promise<string> => {
  let text = ''
  for await (const piece of stream) text += String(piece)
  return text
}

/** What a server gets of a client that sends these pieces, and the client. */
async function sent(t: TestContext, pieces: readonly Buffer[]) {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const out = request({ port, host: '127.0.0.1', method: 'PUT' }).on('error', () => {})
  const arrived = once(server, 'request') as Promise<[IncomingMessage]>
  for (const piece of pieces) out.write(piece)
  const [message] = await arrived
  t.after(() => {
    out.destroy()
    server.close()
  })
  return { message, out }
}

test('pieces come in order, one after another, whether they are waited for or not', async () => {
  const seen: string[] = []
  let taking = 0
  await eachPiece(Readable.from(['a', 'b', 'c', 'd'].map((text) => Buffer.from(text))), (piece) => {
    assert.equal(taking, 0)
    seen.push(piece.toString())
    if (seen.length % 2 === 0) return undefined
    taking++
    return setImmediate().then(() => void taking--)
  })
  assert.deepEqual(seen, ['a', 'b', 'c', 'd'])
})

test('a stream without pieces, or one that has ended or was destroyed, ends the same way', async () => {
  const none = (): undefined => assert.fail('there is no piece')
  await eachPiece(Readable.from([]), none)
  const ended = Readable.from([])
  await read(ended)
  await eachPiece(ended, none)
  await assert.rejects(eachPiece(Readable.from(['a']).destroy(), none), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
})

test('pieces of a message are freed when they are taken, not before; those of other streams are left alone', async (t) => {
  const { message, out } = await sent(t, [Buffer.alloc(300_000, 1)])
  out.end()
  const pieces: Buffer[] = []
  let bytes = 0
  await eachPiece(message, (piece) => {
    pieces.push(piece)
    bytes += piece.length
    if (pieces.length > 1) return undefined
    return setImmediate().then(() => assert.equal(piece[0], 1))
  })
  assert.equal(bytes, 300_000)
  assert.ok(pieces.every((piece) => piece.length === 0))
  const kept = Buffer.from(new ArrayBuffer(3))
  await eachPiece(Readable.from([kept]), () => undefined)
  assert.equal(kept.length, 3)
})

for (const how of ['at once', 'later'])
  test(`a piece that is refused ${how} fails it, and leaves the rest to be read`, async () => {
    const stream = Readable.from(['a', 'b', 'c'].map((text) => Buffer.from(text)))
    const refuse = (piece: Buffer): Promise<void> | undefined => {
      if (piece.toString() !== 'b') return undefined
      if (how === 'at once') throw new Error('not b')
      return setImmediate().then(() => Promise.reject(new Error('not b')))
    }
    await assert.rejects(eachPiece(stream, refuse), /not b/)
    assert.equal(stream.isPaused(), true)
    assert.equal(await read(stream), 'c')
  })

test('a sender that goes fails it, but not while a piece is being taken', async (t) => {
  const { message, out } = await sent(t, [Buffer.from('half')])
  const gone = new Promise((done) => message.on('close', done))
  let taken = false
  const all = eachPiece(message, async () => {
    out.destroy()
    await gone
    await setImmediate()
    taken = true
  })
  await assert.rejects(all, { code: 'ECONNRESET' })
  assert.equal(taken, true)
})
