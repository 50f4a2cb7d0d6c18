/** One of many holds a watch, until it lets go, is late, or comes back under another id. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase } from './testing/test-database.ts'
import { holdWatch, releaseWatch } from './watches.ts'

test('of many who ask at once one holds it, and goes on holding it', async (t) => {
  const db = await testDatabase(t)
  const owners = Array.from({ length: 8 }, (_, index) => `one/${index}`)
  const held = await Promise.all(owners.map((owner) => holdWatch(db, 'network', owner, 1000, 2000)))
  assert.equal(held.filter(Boolean).length, 1)
  const [holder = ''] = owners.filter((_, index) => held[index])
  assert.equal(await holdWatch(db, 'network', holder, 1500, 2500), true)
  assert.equal(await holdWatch(db, 'network', 'two/1', 2500, 3500), false)
  assert.equal(await holdWatch(db, 'another', 'two/1', 1500, 2500), true, 'another watch is another matter')
  assert.equal(await holdWatch(db, 'network', 'two/1', 2501, 3500), true)
  assert.equal(await holdWatch(db, 'network', holder, 2502, 3500), false)
})

test('who lets go, and who comes back after a crash, leaves it to the next at once', async (t) => {
  const db = await testDatabase(t)
  assert.equal(await holdWatch(db, 'network', 'one/1', 1000, 9000), true)
  await releaseWatch(db, 'network', 'other/')
  assert.equal(await holdWatch(db, 'network', 'two/1', 2000, 9000), false)
  await releaseWatch(db, 'network', 'one/')
  assert.equal(await holdWatch(db, 'network', 'one/2', 2000, 9000), true)
})
