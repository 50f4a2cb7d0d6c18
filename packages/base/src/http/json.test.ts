/** Depth is counted where it counts: outside of strings. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonError, parseJson } from './json.ts'

test('JSON is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 20 }), (value) => {
      assert.deepEqual(parseJson(JSON.stringify(value)), JSON.parse(JSON.stringify(value)))
    }),
  )
  assert.equal(parseJson(`"${'['.repeat(100)}"`), '['.repeat(100))
  assert.equal(parseJson(String.raw`"\"[[{\\"`), String.raw`"[[{\ `.trim())
})

test('what is nested deeper than 64, or no JSON, is refused', () => {
  assert.deepEqual(parseJson(`${'['.repeat(64)}${']'.repeat(64)}`), JSON.parse(`${'['.repeat(64)}${']'.repeat(64)}`))
  for (const text of [`${'['.repeat(65)}${']'.repeat(65)}`, '['.repeat(1_000_000), '{"a":', '', 'nothing'])
    assert.throws(() => parseJson(text), JsonError)
})
