/** What the head of an image says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from './disk-format.ts'
import { qcow2Head } from './qcow2-sample.ts'

const refusedAs = (pattern: RegExp) => (error: { status?: number; message: string }) =>
  error.status === 415 && pattern.test(error.message)

test('a qcow2 head tells its virtual size, in both versions', () => {
  assert.equal(inspect('qcow2', qcow2Head({ size: 5n * 1024n ** 3n })), 5 * 1024 ** 3)
  assert.equal(inspect('qcow2', qcow2Head({ version: 2, size: 512n }).subarray(0, 72)), 512)
})

test('raw and iso are as large as their file, of other formats nothing is said', () => {
  assert.equal(inspect('raw', Buffer.from('anything')), undefined)
  assert.equal(inspect('iso', Buffer.alloc(0)), undefined)
  assert.equal(inspect('vmdk', Buffer.from('KDMV')), null)
})

test('a qcow2 that reads other files is refused', () => {
  assert.throws(() => inspect('qcow2', qcow2Head({ backing: 512n })), refusedAs(/backing file/))
  assert.throws(() => inspect('qcow2', qcow2Head({ features: 4n })), refusedAs(/external data file/))
})

test('what is not what it was declared to be is refused', () => {
  assert.throws(() => inspect('qcow2', Buffer.from('plain text that is no disk')), refusedAs(/no qcow2 header/))
  assert.throws(() => inspect('qcow2', Buffer.alloc(0)), refusedAs(/no qcow2 header/))
  assert.throws(() => inspect('raw', qcow2Head({})), refusedAs(/declared raw, but it is qcow2/))
  assert.throws(() => inspect('qcow2', qcow2Head({}).subarray(0, 90)), refusedAs(/cut short/))
  assert.throws(() => inspect('qcow2', qcow2Head({ version: 7 })), refusedAs(/version 7/))
  assert.throws(() => inspect('qcow2', qcow2Head({ features: 1n << 40n })), refusedAs(/features/))
  assert.throws(() => inspect('qcow2', qcow2Head({ size: 1n << 60n })), refusedAs(/virtual size/))
})
