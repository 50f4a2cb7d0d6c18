import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asReason, causes, faultOf, ofReason } from './failure.ts'

const chain = new Error('the disk was not made', {
  cause: new Error('qemu-img ended with 1', { cause: 'no space in /var' }),
})

test('users see the outermost sentence, administrators all of them', () => {
  const { message, details } = faultOf(chain, 5)
  assert.deepEqual(
    [message, details],
    ['the disk was not made', 'the disk was not made: qemu-img ended with 1: no space in /var'],
  )
})

test('a restart in between changes neither', () => {
  assert.deepEqual(faultOf(ofReason(asReason(chain)), 5), faultOf(chain, 5))
})

test('what a message says already is not said twice, and a message is one line', () => {
  assert.equal(causes(new Error('no: refused', { cause: new Error('refused') })), 'no: refused')
  assert.equal(asReason(new Error('two\nlines')), 'two lines')
})

test('a long sentence is cut to what the column holds', () => {
  assert.equal(faultOf(new Error('x'.repeat(300)), 0).message.length, 255)
})
