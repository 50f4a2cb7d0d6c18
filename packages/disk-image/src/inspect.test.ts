/** Every sample: what is right is let through with its size, what is wrong is refused for its reason; and whatever comes, an inspection is short. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bytesOfBuffer, type Bytes } from './bytes.ts'
import { inspect, refusedByHead } from './inspect.ts'
import { refusedSamples, usableSamples } from './samples.ts'
import { HEAD_BYTES } from './signs.ts'

const headOf = (bytes: Buffer): Buffer => bytes.subarray(0, HEAD_BYTES)

for (const { name, declared, bytes, virtualBytes } of usableSamples())
  test(`${name} is let through`, async () => {
    const { partitionTable, ...finding } = (await inspect(bytesOfBuffer(bytes), declared)) as Record<string, unknown>
    assert.deepEqual(finding, { kind: 'usable', format: declared === 'ami' ? 'raw' : declared, virtualBytes })
    assert.equal(partitionTable, ['raw', 'ami'].includes(declared) ? 'mbr' : undefined)
    assert.equal(await refusedByHead(headOf(bytes), declared), undefined)
  })

for (const { name, declared, bytes, reason } of refusedSamples())
  test(`refused: ${name}`, async () => {
    const finding = await inspect(bytesOfBuffer(bytes), declared)
    assert.equal(finding.kind, 'refused')
    assert.match(finding.kind === 'refused' ? finding.reason : '', reason)
  })

test('limits are the caller’s', async () => {
  const [raw, , , , , vmdk] = usableSamples()
  assert.ok(raw && vmdk)
  const limits = { maxVirtualBytes: 1024, vmdkTypes: [] }
  assert.match(JSON.stringify(await inspect(bytesOfBuffer(raw.bytes), 'raw', limits)), /over the limit of 1024/)
  assert.match(
    JSON.stringify(await inspect(bytesOfBuffer(vmdk.bytes), 'vmdk', limits)),
    /monolithicSparse.* is not allowed/,
  )
})

/** Counts what is read: unlike time, that is the same on every machine. */
function counted(bytes: Bytes): Bytes & { readonly reads: () => { readonly count: number; readonly bytes: number } } {
  let count = 0
  let read = 0
  return {
    size: bytes.size,
    read: async (offset, length) => {
      const part = await bytes.read(offset, length)
      count++
      read += part.length
      return part
    },
    reads: () => ({ count, bytes: read }),
  }
}

test('headers with anything in them come to an end: usable or refused, after a few reads, in a moment', async () => {
  const samples = [...usableSamples(), ...refusedSamples()]
  const change = fc.record({
    // Headers lie at the start, at the end and at a few round places.
    at: fc.oneof(fc.nat(600), fc.integer({ min: -1536, max: -1 }), fc.nat(1_300_000)),
    value: fc.oneof(
      fc.constantFrom(0n, 0xffff_ffff_ffff_ffffn, 1n << 63n, 1n << 31n),
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    ),
    width: fc.constantFrom(1, 2, 4, 8),
  })
  const longest: number[] = []
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...samples),
      fc.array(change, { minLength: 1, maxLength: 6 }),
      fc.option(fc.nat(2000), { nil: undefined }),
      async (sample, changes, length) => {
        const bytes = Buffer.from(length === undefined ? sample.bytes : sample.bytes.subarray(0, length))
        for (const { at, value, width } of changes)
          for (let index = 0; index < width; index++) {
            const place = (at < 0 ? bytes.length + at : at) + index
            if (place >= 0 && place < bytes.length) bytes[place] = Number((value >> BigInt(8 * index)) & 0xffn)
          }
        const source = counted(bytesOfBuffer(bytes))
        const began = performance.now()
        const { kind } = await inspect(source, sample.declared)
        await refusedByHead(headOf(bytes), sample.declared)
        longest.push(performance.now() - began)
        assert.ok(kind === 'usable' || kind === 'refused')
        assert.ok(
          source.reads().count <= 10 && source.reads().bytes <= 1.25 * 1024 ** 2,
          JSON.stringify(source.reads()),
        )
      },
    ),
    { numRuns: 3000 },
  )
  const [median = 0] = longest.toSorted((a, b) => a - b).slice(longest.length / 2)
  assert.ok(median < 5, `an inspection takes ${median} ms`)
})
