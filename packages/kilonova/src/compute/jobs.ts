/**
 * Long verbs: started once per key, asked for and cancelled by key. The caller may die and another one asks by the same key.
 *
 *   unknown -> running -> done
 *                      -> failed      (a new start of the key runs it again)
 *                      -> cancelled   (told as failed; a late repeat of the start changes nothing, only a start by a
 *                                      newer epoch does: its conductor took the task over from the one that cancelled)
 */
import type { JobStatus } from '../rpc/compute.ts'

export interface Jobs {
  start(
    key: string,
    epoch: number,
    work: (progress: (percent: number) => void, signal: AbortSignal) => Promise<void>,
  ): void
  status(key: string): JobStatus
  /** Returns when the job has stopped. */
  cancel(key: string, epoch: number): Promise<void>
  /** Stops everything that runs. */
  close(): Promise<void>
}

interface Job {
  status: JobStatus
  readonly abort: AbortController
  /** 0: not cancelled. */
  cancelledBy: number
  ended: Promise<void>
}

const KEPT_JOBS = 10_000
/** Progress is told in steps of this size, not for each chunk of a copy. */
const TELL_EACH_PERCENT = 5

export function jobs(tell: (job: { key: string; percent: number; ended: boolean }) => void): Jobs {
  const known = new Map<string, Job>()

  function forgetOldest(): void {
    for (const [key, { status }] of known) {
      if (known.size <= KEPT_JOBS) return
      if (status.state !== 'running') known.delete(key)
    }
  }

  function start(key: string, epoch: number, work: Parameters<Jobs['start']>[2]): void {
    const before = known.get(key)
    if (before && (before.status.state !== 'failed' || before.cancelledBy >= epoch)) return
    const job = newJob()
    known.delete(key)
    known.set(key, job)
    forgetOldest()
    let told = 0
    const progress = (percent: number): void => {
      if (job.status.state !== 'running') return
      job.status = { state: 'running', percent }
      if (percent - told < TELL_EACH_PERCENT || percent >= 100) return
      told = percent
      tell({ key, percent, ended: false })
    }
    job.ended = work(progress, job.abort.signal).then(
      () => {
        job.status = { state: 'done' }
        tell({ key, percent: 100, ended: true })
      },
      (error: unknown) => {
        job.status = failed(error)
        tell({ key, percent: told, ended: true })
      },
    )
  }

  return {
    start,
    status: (key) => known.get(key)?.status ?? { state: 'unknown' },
    cancel: async (key, epoch) => {
      const job = known.get(key) ?? newJob()
      known.set(key, job)
      job.cancelledBy = epoch
      job.abort.abort(new Error('cancelled'))
      await job.ended
      // Cancelled before its start came: the start finds it ended.
      if (job.status.state === 'running') job.status = failed(new Error('cancelled'))
    },
    close: async () => {
      const ends = [...known.values()].map(({ abort, ended }) => {
        abort.abort(new Error('the host agent stops'))
        return ended
      })
      await Promise.all(ends)
    },
  }
}

const newJob = (): Job => ({
  status: { state: 'running', percent: 0 },
  abort: new AbortController(),
  cancelledBy: 0,
  ended: Promise.resolve(),
})

const failed = (error: unknown): JobStatus => ({
  state: 'failed',
  reason: error instanceof Error ? error.message : String(error),
  retryable: error instanceof Error && 'retryable' in error && error.retryable === true,
})
