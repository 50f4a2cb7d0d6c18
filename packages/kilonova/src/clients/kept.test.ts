/** Kept answers: shared while asked, good for their age, forgotten when they failed, bounded. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kept } from './kept.ts'
import { handClock } from './testing.ts'

test('an answer is asked for once, shared, and asked for again when it is old', async () => {
  const clock = handClock()
  const answers = kept<number>(clock, 1000, 10)
  let asked = 0
  const ask = async () => ++asked
  assert.deepEqual(await Promise.all([answers.get('a', ask), answers.get('a', ask), answers.get('b', ask)]), [1, 1, 2])
  clock.pass(999)
  assert.equal(await answers.get('a', ask), 1)
  clock.pass(1)
  assert.equal(await answers.get('a', ask), 3)
  answers.forget('a')
  assert.equal(await answers.get('a', ask), 4)
})

test('a failure is not kept, and an answer may say how long it is good', async () => {
  const answers = kept<string>(handClock(), (answer) => (answer === 'good' ? 1000 : 0), 10)
  await assert.rejects(
    answers.get('a', async () => Promise.reject(new Error('no'))),
    /no/,
  )
  assert.equal(await answers.get('a', async () => 'bad'), 'bad')
  assert.equal(await answers.get('a', async () => 'good'), 'good')
  assert.equal(await answers.get('a', async () => 'other'), 'good')
})

test('the oldest is forgotten when there are too many', async () => {
  const answers = kept<string>(handClock(), 1000, 2)
  for (const key of ['a', 'b', 'c']) await answers.get(key, async () => key)
  assert.equal(await answers.get('a', async () => 'again'), 'again')
  assert.equal(await answers.get('c', async () => 'again'), 'c')
})

test('answers that fit are forgotten, and those still asked for, which may be older than what made them false', async () => {
  const answers = kept<string>(handClock(), 1000, 10)
  const late = Promise.withResolvers<string>()
  for (const key of ['good', 'bad']) await answers.get(key, async () => key)
  const early = answers.get('late', () => late.promise)
  answers.forgetWhere((answer) => answer === 'bad')
  late.resolve('late')
  assert.equal(await early, 'late')
  const again = (key: string) => answers.get(key, async () => 'again')
  assert.deepEqual(await Promise.all(['good', 'bad', 'late'].map(again)), ['good', 'again', 'again'])
})
