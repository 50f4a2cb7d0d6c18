/** Packets survive any way of being cut and merged; impossible lengths are refused at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProtocolError } from './errors.ts'
import { HEADER_BYTES, MAX_PACKET, PacketReader, packetOf } from './frame.ts'

const header = { program: 0x20008086, version: 1, procedure: 7, type: 1, serial: 0, status: 0 }
const bodies = [0, 4, 1000, 70_000, 0, 12].map((size, index) => Buffer.alloc(size, index))
const bytes = Buffer.concat(bodies.map((body, serial) => packetOf({ ...header, serial }, body)))

for (const piece of [1, 3, 27, 28, 29, 1000, 65536, bytes.length]) {
  test(`in pieces of ${piece} bytes`, () => {
    const reader = new PacketReader()
    const packets = []
    for (let at = 0; at < bytes.length; at += piece) packets.push(...reader.push(bytes.subarray(at, at + piece)))
    assert.deepEqual(
      packets.map(({ serial, body }) => [serial, Buffer.from(body)]),
      bodies.map((body, serial) => [serial, body]),
    )
  })
}

for (const length of [0, 4, HEADER_BYTES - 1, MAX_PACKET + 1, 0xffffffff]) {
  test(`a packet of ${length} bytes is refused`, () => {
    const word = Buffer.alloc(4)
    word.writeUInt32BE(length)
    assert.throws(() => new PacketReader().push(word), ProtocolError)
  })
}

test('one of exactly the largest size is taken', () => {
  const packet = packetOf(header, Buffer.alloc(MAX_PACKET - HEADER_BYTES))
  const reader = new PacketReader()
  const [only, none] = [packet.subarray(0, 5), packet.subarray(5)].flatMap((chunk) => reader.push(chunk))
  assert.equal(only?.body.length, MAX_PACKET - HEADER_BYTES)
  assert.equal(none, undefined)
})
