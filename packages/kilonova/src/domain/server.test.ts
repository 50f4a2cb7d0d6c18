import assert from 'node:assert/strict'
import { test } from 'node:test'
import { demoServer } from './server-fixture.ts'
import { claimOf } from './server.ts'

const GIB = 1024 ** 3

test('a server takes its flavor’s disk, or where that has none its image’s', () => {
  const { flavor, image } = demoServer()
  assert.ok(image)
  const plain = { ...flavor, rootGb: 5, ephemeralGb: 1, swapMb: 1 }
  assert.equal(claimOf({ flavor: plain, image }).diskGb, 7)
  const none = { ...plain, rootGb: 0 }
  assert.equal(claimOf({ flavor: none, image: { ...image, sizeBytes: 1, virtualSizeBytes: 3 * GIB + 1 } }).diskGb, 6)
  assert.equal(claimOf({ flavor: none, image: { ...image, sizeBytes: GIB, virtualSizeBytes: null } }).diskGb, 3)
})
