/** Every procedure's codec carries its values there and back, and refuses what does not fit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileStruct } from './codec.ts'
import { ProtocolError } from './errors.ts'
import { allProcedures, procedureNamed } from './procedures.ts'
import { QEMU_PROCEDURES, REMOTE_PROCEDURES, STRUCTS } from './protocol.gen.ts'
import { param, paramsToRecord } from './typed-params.ts'
import { XdrReader, XdrWriter } from './xdr.ts'

const UUID = '6695eb01-f6a4-8304-79aa-97f2502e193f'
const structs = new Map(
  STRUCTS.trim()
    .split('\n')
    .map((line) => [line.split(' ')[0] ?? '', line.split(' ').slice(1)]),
)

/** A value of every kind, as large and as odd as the kind allows. */
function sample(kind: string): unknown {
  if (kind.startsWith('?')) return sample(kind.slice(1))
  if (kind.includes('*')) return [1, 2].map(() => sample(kind.slice(0, kind.indexOf('*'))))
  const struct = structs.get(kind)
  if (struct) return sampleStruct(struct)
  const samples: Record<string, unknown> = {
    i: -2147483648,
    u: 4294967295,
    h: -(2n ** 63n),
    H: 2n ** 64n - 1n,
    d: 0.1,
    s: 'naïve ☂',
    c: 'abc',
    U: UUID,
    o: Uint8Array.of(1, 2, 3),
    P: param.ullong('bandwidth', 2n ** 64n - 1n),
  }
  return samples[kind.charAt(0)]
}
const sampleStruct = (slots: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(slots.map((slot) => [slot.slice(0, slot.indexOf(':')), sample(slot.slice(slot.indexOf(':') + 1))]))

function roundTrip(text: string, value: Readonly<Record<string, unknown>>): unknown {
  const struct = compileStruct(text)
  const out = new XdrWriter(0, 1 << 20)
  struct.write(out, value)
  assert.equal(out.finish().length % 4, 0)
  const from = new XdrReader(out.finish())
  const read = struct.read(from)
  assert.equal(from.remaining, 0)
  return read
}

const lines = `${REMOTE_PROCEDURES}${QEMU_PROCEDURES}`.split('\n').filter(Boolean)

test('all procedures carry their arguments and answers', () => {
  assert(lines.length > 440)
  for (const line of lines) {
    for (const text of line.split('|').slice(1)) {
      const value = sampleStruct(text.split(' ').filter(Boolean))
      assert.deepEqual(roundTrip(text, value), value, line)
    }
  }
})

test('numbers and names are unique', () => {
  assert.equal(new Set(allProcedures.map(({ name }) => name)).size, allProcedures.length)
  assert.equal(procedureNamed('domainShutdown').number, 33)
  assert.throws(() => procedureNamed('domainExplode'), /no procedure "domainExplode"/)
})

test('what may be null is written as absent, also when it is left out', () => {
  assert.deepEqual(roundTrip('a:?s b:?Domain c:?s', { a: null, c: 'x' }), { a: null, b: null, c: 'x' })
})

test('flags default to 0 and needResults to 1', () => {
  assert.deepEqual(roundTrip('needResults:i flags:u', {}), { needResults: 1, flags: 0 })
})

test('typed parameters of all seven types', () => {
  const params = [
    param.int('i', -1),
    param.uint('u', 4294967295),
    param.llong('l', -5n),
    param.ullong('ul', 2n ** 64n - 1n),
    param.double('d', 1.5),
    param.boolean('b', true),
    param.string('s', 'text'),
  ]
  assert.deepEqual(roundTrip('params:P*16', { params }), { params })
  assert.deepEqual(paramsToRecord(params), {
    i: -1,
    u: 4294967295,
    l: -5n,
    ul: 2n ** 64n - 1n,
    d: 1.5,
    b: true,
    s: 'text',
  })
})

test('an argument that does not fit is named', () => {
  const write = (text: string, value: Readonly<Record<string, unknown>>) => () =>
    compileStruct(text).write(new XdrWriter(0, 1 << 20), value)
  assert.throws(write('dom:Domain', { dom: { name: 'a', uuid: 'x', id: 1 } }), /^TypeError: dom\.uuid: not a UUID: "x"/)
  assert.throws(write('dom:Domain', {}), /dom: expected an object, got undefined/)
  assert.throws(write('size:H', { size: -1 }), /size: /)
  assert.throws(write('size:H', { size: 2 ** 60 }), /size: expected an integer/)
  assert.throws(write('n:u', { n: 2 ** 32 }), /n: /)
  assert.throws(write('xml:s', { xml: 'a\0b' }), /xml: expected a string without NUL/)
  assert.throws(write('xml:s', { xml: 'x'.repeat(4194305) }), /longer than 4194304 bytes/)
  assert.throws(write('cpus:s*2', { cpus: ['a', 'b', 'c'] }), /cpus: more than 2 entries/)
  assert.throws(write('map:o4', { map: new Uint8Array(5) }), /longer than 4 bytes/)
})

test('a message that ends early, or promises too much, is refused before anything is kept of it', () => {
  const read = (text: string, hex: string) => () => compileStruct(text).read(new XdrReader(Buffer.from(hex, 'hex')))
  assert.throws(read('a:i', '0000'), ProtocolError)
  assert.throws(read('a:s', 'ffffffff'), /length 4294967295 is above the limit/)
  assert.throws(read('a:s', '00000008 61626364'.replace(' ', '')), /ends early/)
  assert.throws(read('a:Domain*16384', '00004001'), /length 16385 is above the limit 16384/)
  assert.throws(read('a:?s', '00000002'), /presence flag 2/)
  assert.throws(read('a:P', '00000001610000000000000900000000'), /unknown type 9/)
})
