/** Streams into files: what is written and summed is what came, however it was cut; and what goes wrong is told while nothing is left running. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { DEFAULT_LIMITS } from '@kilonova/disk-image/finding.ts'
import { receiveInto } from './receiving.ts'

const MIB = 1024 ** 2
const expected = { declared: null, maxBytes: 100 * MIB, limits: DEFAULT_LIMITS }
const sum = (name: string, bytes: Buffer) => createHash(name).update(bytes).digest('hex')

async function scratch(t: TestContext) {
  const path = join(tmpdir(), `receiving-${process.pid}-${Math.random()}`)
  const file = await open(path, 'wx+')
  t.after(() => rm(path))
  return { file, path }
}

/** Pieces of the given length, and what is left over. */
function* cut(bytes: Buffer, length: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

for (const [size, piece] of [
  [0, 1],
  [1, 1],
  [2 * MIB - 1, 65_536],
  [2 * MIB, 65_536],
  [2 * MIB + 1, 65_536],
  [19 * MIB + 12_345, 65_535],
  [9 * MIB, 7 * MIB],
] as const)
  test(`${size} bytes in pieces of ${piece}`, async (t) => {
    const { file, path } = await scratch(t)
    const bytes = randomBytes(size)
    const facts = await receiveInto(file, Readable.from(cut(bytes, piece)), expected)
    await file.close()
    assert.deepEqual(facts, {
      sizeBytes: size,
      virtualSizeBytes: null,
      sha512: sum('sha512', bytes),
      md5: sum('md5', bytes),
    })
    assert.ok((await readFile(path)).equals(bytes))
  })

test('many at once do not mix', async (t) => {
  await Promise.all(
    Array.from({ length: 6 }, async (_, index) => {
      const { file } = await scratch(t)
      const bytes = randomBytes(3 * MIB + index)
      const facts = await receiveInto(file, Readable.from(cut(bytes, 50_000)), expected)
      await file.close()
      assert.equal(facts.sha512, sum('sha512', bytes))
    }),
  )
})

test('a stream that fails, or is too long, fails; the file can be closed at once', async (t) => {
  const { file } = await scratch(t)
  function* failing() {
    yield* cut(randomBytes(3 * MIB), 65_536)
    throw new Error('the sender is gone')
  }
  await assert.rejects(receiveInto(file, Readable.from(failing()), expected), /the sender is gone/)
  const long = Readable.from(cut(randomBytes(3 * MIB), 65_536))
  await assert.rejects(receiveInto(file, long, { ...expected, maxBytes: 2 * MIB }), { status: 413 })
  await file.close()
})

test('a file that cannot be written fails', async (t) => {
  const { path, file } = await scratch(t)
  await file.close()
  const readOnly = await open(path, 'r')
  t.after(() => readOnly.close())
  for (const size of [10, 5 * MIB])
    await assert.rejects(receiveInto(readOnly, Readable.from(cut(randomBytes(size), 65_536)), expected), {
      code: 'EBADF',
    })
})

test('what the disk lost on the way is heard at the end', async (t) => {
  const { file } = await scratch(t)
  const datasync = file.datasync.bind(file)
  let asked = 0
  file.datasync = async () => {
    if (++asked === 1) throw new Error('the disk is broken')
    await datasync()
  }
  const block = randomBytes(MIB)
  const bytes = Readable.from(Array.from({ length: 66 }, () => block))
  await assert.rejects(receiveInto(file, bytes, expected), /the disk is broken/)
  assert.equal(asked, 2)
  await file.close()
})
