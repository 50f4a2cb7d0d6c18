import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expressionOf } from './expression.ts'

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
