import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backOffMs, retry } from './retry.ts'

const options = {
  tries: 3,
  firstDelayMs: 1,
  maxDelayMs: 2,
  transient: (error: unknown) => (error as Error).message === 'passing',
}
function failing(times: number, message = 'passing') {
  let tries = 0
  return { work: async () => (++tries <= times ? Promise.reject(new Error(message)) : tries), tries: () => tries }
}

test('what passes is tried again, so often and no more', async () => {
  assert.equal(await retry(failing(2).work, options), 3)
  const never = failing(9)
  await assert.rejects(retry(never.work, options), { message: 'passing' })
  assert.equal(never.tries(), 3)
})

test('what does not pass is not tried again', async () => {
  const final = failing(1, 'final')
  await assert.rejects(retry(final.work, options), { message: 'final' })
  assert.equal(final.tries(), 1)
})

test('a signal cuts the waiting short', async () => {
  const controller = new AbortController()
  const waiting = retry(failing(9).work, {
    ...options,
    tries: 9,
    firstDelayMs: 60_000,
    maxDelayMs: 60_000,
    signal: controller.signal,
  })
  controller.abort()
  await assert.rejects(waiting)
})

test('the wait doubles up to a bound, with jitter', () => {
  for (const [attempt, longest] of [
    [1, 100],
    [2, 200],
    [3, 400],
    [40, 1000],
  ] as const) {
    const wait = backOffMs(attempt, 100, 1000)
    assert(wait >= longest / 2 && wait <= longest, `${wait} for attempt ${attempt}`)
  }
})
