/** Fences only grow, and are found again after a restart. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileFences } from './fence-store.ts'

const DAY_MS = 24 * 3600 * 1000

test('the file keeps the highest epoch of each server across restarts, a torn line is left out, old ones are forgotten', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fences-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'deep', 'fences')
  let now = 100 * DAY_MS
  const clock = { now: () => now }

  const first = fileFences(path, clock)
  first.raise('old', 9)
  now += 20 * DAY_MS
  for (const epoch of [1, 3, 2]) first.raise('a', epoch)
  assert.equal(first.highest('a'), 3)
  first.close()
  appendFileSync(path, '\na 7')

  const second = fileFences(path, clock)
  assert.equal(second.highest('a'), 3)
  assert.equal(second.highest('old'), 9)
  second.raise('b', 5)
  second.close()

  now += 15 * DAY_MS
  const third = fileFences(path, clock)
  assert.deepEqual([third.highest('a'), third.highest('b'), third.highest('old')], [3, 5, 0])
  third.close()
  assert.equal(readFileSync(path, 'utf8').trim().split('\n').length, 2)
})
