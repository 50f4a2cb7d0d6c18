import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uuid5 } from './uuid5.ts'

test('the same name gives the same id, another name another', () => {
  assert.equal(uuid5('task/step'), uuid5('task/step'))
  assert.notEqual(uuid5('task/step'), uuid5('task/step2'))
  assert.match(uuid5('x'), /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})
