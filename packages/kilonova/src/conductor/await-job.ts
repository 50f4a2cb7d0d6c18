/** Long verbs: begun by key, then asked for by key until they end. Any conductor can take up the waiting; an event only makes it quicker. */
import type { JobStatus } from '../rpc/compute.ts'

export interface JobEvents {
  /** Calls back when the job may have ended or moved on; returns a function that stops it. */
  on(key: string, wake: () => void): () => void
}

export interface AwaitedJob {
  readonly jobs: JobEvents
  readonly key: string
  readonly signal: AbortSignal
  /** Whether the job is left running for this reason of the signal. */
  abandons(reason: unknown): boolean
  begin(): Promise<void>
  status(): Promise<JobStatus>
  cancel(): Promise<void>
  progress(percent: number): void
}

/** An event may be lost, so the status is also asked for: soon at first, then this often. */
const FIRST_LOOK_MS = 50
const LOOK_MS = 1000

/** The host said why its long verb failed, and whether another try may help. */
export class JobFailedError extends Error {
  override readonly name = 'JobFailedError'
  readonly retryable: boolean
  constructor(reason: string, retryable: boolean) {
    super(reason)
    this.retryable = retryable
  }
}

export async function awaitJob({
  jobs,
  key,
  signal,
  abandons,
  begin,
  status,
  cancel,
  progress,
}: AwaitedJob): Promise<void> {
  let wake: () => void = () => undefined
  const stop = jobs.on(key, () => wake())
  const onAbort = () => wake()
  signal.addEventListener('abort', onAbort)
  let shown = 0
  let lookMs = FIRST_LOOK_MS
  try {
    let woken = new Promise<void>((resolve) => (wake = resolve))
    await begin()
    for (;;) {
      if (signal.aborted) {
        if (!abandons(signal.reason)) await cancel()
        throw signal.reason
      }
      const now = await status()
      if (now.state === 'done') return
      if (now.state === 'failed') throw new JobFailedError(now.reason, now.retryable)
      if (now.state === 'unknown') throw new JobFailedError('the host was restarted while it worked', true)
      if (now.percent > shown) progress((shown = now.percent))
      const timer = setTimeout(() => wake(), lookMs)
      lookMs = Math.min(lookMs * 2, LOOK_MS)
      await woken
      clearTimeout(timer)
      woken = new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    stop()
    signal.removeEventListener('abort', onAbort)
  }
}
