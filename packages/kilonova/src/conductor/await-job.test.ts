import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JobStatus } from '../rpc/compute.ts'
import { awaitJob } from './await-job.ts'
import { signals } from './signals.ts'

class LetGo extends Error {}

/** A host with one job, whose status the test sets. */
function host(first: JobStatus) {
  const jobs = signals()
  const controller = new AbortController()
  const did: string[] = []
  let status = first
  const asked = Promise.withResolvers<void>()
  return {
    controller,
    did,
    asked: asked.promise,
    becomes: (next: JobStatus) => {
      status = next
      jobs.wake('job')
    },
    wait: () =>
      awaitJob({
        jobs,
        key: 'job',
        signal: controller.signal,
        abandons: (reason) => reason instanceof LetGo,
        begin: async () => void did.push('begin'),
        status: async () => {
          asked.resolve()
          return status
        },
        cancel: async () => void did.push('cancel'),
        progress: (percent) => void did.push(`${percent} %`),
      }),
  }
}

test('a job is begun, its progress shown, and its end awaited', async () => {
  const h = host({ state: 'running', percent: 40 })
  const end = h.wait()
  await h.asked
  h.becomes({ state: 'done' })
  await end
  assert.deepEqual(h.did, ['begin', '40 %'])
})

test('the end is found out also when its event is lost', async () => {
  const states: JobStatus[] = [{ state: 'running', percent: 0 }, { state: 'done' }]
  const { signal } = new AbortController()
  const nothing = async () => {}
  await awaitJob({
    jobs: signals(),
    key: 'job',
    signal,
    abandons: () => false,
    begin: nothing,
    status: async () => states.shift() ?? { state: 'unknown' },
    cancel: nothing,
    progress: () => {},
  })
  assert.deepEqual(states, [])
})

test('a failure says why and whether to try again; a host that forgot the job is worth another try', async () => {
  await assert.rejects(host({ state: 'failed', reason: 'no space', retryable: false }).wait(), {
    name: 'JobFailedError',
    message: 'no space',
    retryable: false,
  })
  await assert.rejects(host({ state: 'unknown' }).wait(), { name: 'JobFailedError', retryable: true })
})

test('cancelled, the job is cancelled too; let go of, it goes on', async () => {
  for (const [reason, did] of [
    [new Error('cancelled'), ['begin', 'cancel']],
    [new LetGo(), ['begin']],
  ] as const) {
    const h = host({ state: 'running', percent: 0 })
    const end = h.wait()
    await h.asked
    h.controller.abort(reason)
    await assert.rejects(end, (error) => error === reason)
    assert.deepEqual(h.did, did)
  }
})
