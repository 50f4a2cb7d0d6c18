/** Long verbs: once per key, asked for by key, ended by key. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jobs } from './jobs.ts'

function witnessed() {
  const told: { key: string; percent: number; ended: boolean }[] = []
  let heard = Promise.withResolvers<void>()
  const running = jobs((job) => {
    told.push(job)
    if (job.ended) heard.resolve()
  })
  const ended = async () => {
    await heard.promise
    heard = Promise.withResolvers()
  }
  return { running, told, ended }
}
const untilAborted = (_: unknown, signal: AbortSignal) =>
  new Promise<void>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))

test('a job is started once per key, tells its progress in steps, and its end', async () => {
  const { running, told, ended } = witnessed()
  let runs = 0
  const work = async (progress: (percent: number) => void) => {
    runs++
    for (let percent = 1; percent <= 100; percent++) progress(percent)
  }
  assert.deepEqual(running.status('k'), { state: 'unknown' })
  running.start('k', 1, work)
  await ended()
  running.start('k', 1, work)
  assert.deepEqual(running.status('k'), { state: 'done' })
  assert.equal(runs, 1)
  assert.deepEqual(told.at(-1), { key: 'k', percent: 100, ended: true })
  assert.ok(told.length <= 20)
})

test('a failed job says why and whether to try again, and runs again when started again', async () => {
  const { running, ended } = witnessed()
  running.start('k', 1, () => Promise.reject(Object.assign(new Error('lost'), { retryable: true })))
  await ended()
  assert.deepEqual(running.status('k'), { state: 'failed', reason: 'lost', retryable: true })
  running.start('k', 1, async () => {})
  await ended()
  assert.deepEqual(running.status('k'), { state: 'done' })
})

test('a cancelled job has stopped when cancel returns, and no late start revives it, not even one that cancel overtook; a newer epoch does', async () => {
  const { running, ended } = witnessed()
  running.start('k', 1, untilAborted)
  await running.cancel('k', 1)
  await ended()
  await running.cancel('never started', 1)
  for (const key of ['k', 'never started']) {
    running.start(key, 1, async () => assert.fail('must not run'))
    assert.deepEqual(running.status(key), { state: 'failed', reason: 'cancelled', retryable: false })
  }
  running.start('k', 2, async () => {})
  await ended()
  assert.deepEqual(running.status('k'), { state: 'done' })
})

test('close stops what runs', async () => {
  const { running } = witnessed()
  running.start('k', 1, untilAborted)
  await running.close()
  assert.equal(running.status('k').state, 'failed')
})
