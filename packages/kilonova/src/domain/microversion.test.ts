/** Tables hold from an entry until the next; version strings are read strictly. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byMinor, MAX_MINOR, readVersion } from './microversion.ts'

test('an entry holds from its version until the next one, and the last one for ever', () => {
  const pick = byMinor({ '2.35': 'b', '2.2': 'a', '2.75': 'c' })
  assert.deepEqual([1, 2, 34, 35, 74, 75, MAX_MINOR].map(pick), [undefined, 'a', 'a', 'b', 'b', 'c', 'c'])
})

test('versions are read, and refused when malformed or unsupported', () => {
  assert.deepEqual(readVersion('2.1'), { minor: 1 })
  assert.deepEqual(readVersion(' latest '), { minor: MAX_MINOR })
  for (const text of ['', '2', '2.x', '2.01', 'v2.1', '2.1.1'])
    assert.deepEqual(readVersion(text), { error: 'malformed', asked: text })
  for (const text of ['2.0', '2.104', '3.1', '1.5'])
    assert.deepEqual(readVersion(text), { error: 'unsupported', asked: text })
})
