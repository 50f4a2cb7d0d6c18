import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expressionOf, likeOf } from './expression.ts'

test('an expression is found anywhere, in any case of letters', async () => {
  const found = await expressionOf('^web-[0-9]+$')
  assert.deepEqual(['WEB-12', 'web-x', 'my-web-1'].map(found), [true, false, false])
})

test('what cannot be compiled, is too long, or unfolds into too much is refused', async () => {
  for (const expression of ['(', 'a'.repeat(256), '((a{0,30}){0,30})b', '(((x{0,9}){0,9}){0,9}){0,9}'])
    await assert.rejects(expressionOf(expression), { name: 'BadRequest' })
})

test('the longest literal is accepted, and so is what would make a backtracking engine run for ever', async () => {
  assert.equal((await expressionOf('a'.repeat(255)))('a'.repeat(255)), true)
  assert.equal((await expressionOf('(a+)+$'))(`${'a'.repeat(255)}b`), false)
})

test('what is plain text with dots and anchors is a LIKE pattern too; what is more is not', () => {
  const patterns = ['web', '^web-1$', '10.0.0.5', String.raw`10\.0\.0\.5`, '50%', 'a_b', '^fd00::1'].map(likeOf)
  assert.deepEqual(patterns, ['%web%', 'web-1', '%10_0_0_5%', '%10.0.0.5%', undefined, String.raw`%a\_b%`, 'fd00::1%'])
  for (const more of ['a+', '(a)', 'a|b', '[a]', 'a*', String.raw`\d`, 'a{2}', 'a^', '$', ''])
    assert.equal(likeOf(more), undefined, more)
})
