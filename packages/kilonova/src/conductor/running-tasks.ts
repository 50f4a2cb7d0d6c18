/** The tasks that this conductor runs now: begun, cancelled, let go of. One run per task, and no task is held without one. */
import { backOffMs, retry } from '@kilonova/base/retry.ts'
import type { Clock } from '@kilonova/base/clock.ts'
import { FencedError, type Task } from '../task/journal.ts'
import { run } from '../task/run.ts'
import { cancelReason, type Runner } from '../task/runner.ts'
import type { AnyAction } from '../task/action.ts'
import type { Leases } from './leases.ts'

export interface RunningTasks {
  readonly size: number
  has(taskId: string): boolean
  begin(task: Task): void
  /** False: it does not run here. */
  cancel(taskId: string, by: string): boolean
  /** Renews all leases: what is not ours any more is let go of, what somebody wants undone is cancelled. */
  renew(): Promise<void>
  /** Lets go of everything: it is taken up again where it stands. */
  close(): Promise<void>
}

export interface RunningTasksOptions<Ctx> {
  readonly runner: Runner<Ctx>
  readonly actions: Readonly<Record<string, AnyAction<Ctx>>>
  readonly lease: Leases
  readonly clock: Clock
  readonly onEnd: () => void
}

const CLOSE_MS = 2_000

export function runningTasks<Ctx>({ runner, actions, lease, clock, onEnd }: RunningTasksOptions<Ctx>): RunningTasks {
  const { log } = runner
  const running = new Map<
    string,
    { readonly cancel: AbortController; readonly stop: AbortController; readonly ended: Promise<void> }
  >()
  const closed = new AbortController()

  /** What no run holds must not be held by a lease either: it would never be taken up. */
  async function release(task: Task, reason: string): Promise<void> {
    const wait = Math.ceil(backOffMs(task.attempts + 1, runner.retryFirstDelayMs, runner.maxBackOffMs))
    const work = () => lease.release(task.id, clock.now() + wait, reason)
    await retry(work, {
      tries: Infinity,
      firstDelayMs: runner.retryFirstDelayMs,
      maxDelayMs: runner.maxBackOffMs,
      signal: closed.signal,
      transient: () => true,
    }).catch((error: unknown) => log.warn('lease not released', { task: task.id, error }))
  }

  async function work(
    task: Task,
    action: AnyAction<Ctx> | undefined,
    cancel: AbortSignal,
    stop: AbortSignal,
  ): Promise<void> {
    try {
      if (!action) throw new Error(`there is no action ${task.action}`)
      const outcome = await run(runner, action, task, { cancel, stop })
      if (outcome === 'fenced' && !closed.signal.aborted) log.warn('task was taken over', { task: task.id })
    } catch (error) {
      log.error('task left for another try', { task: task.id, error })
      await release(task, error instanceof Error ? error.message : String(error))
    }
  }

  function begin(task: Task): void {
    running.get(task.id)?.stop.abort(new FencedError(`task ${task.id} was leased again`))
    const [cancel, stop] = [new AbortController(), new AbortController()]
    if (task.cancelledBy !== null) cancel.abort(cancelReason(task.cancelledBy))
    const ended = work(task, actions[task.action], cancel.signal, stop.signal).then(() => {
      if (running.get(task.id)?.cancel === cancel) running.delete(task.id)
      onEnd()
    })
    running.set(task.id, { cancel, stop, ended })
  }

  return {
    get size() {
      return running.size
    },
    has: (taskId) => running.has(taskId),
    begin,
    cancel: (taskId, by) => {
      running.get(taskId)?.cancel.abort(cancelReason(by))
      return running.has(taskId)
    },
    renew: async () => {
      // Only what ran before the renewal: a task taken meanwhile is not in its answer.
      const before = [...running]
      const ours = await lease.renew()
      for (const [id, { cancel, stop }] of before) {
        const row = ours.get(id)
        if (!row) stop.abort(new FencedError(`task ${id} is not ours any more`))
        else if (row.cancelledBy !== null) cancel.abort(cancelReason(row.cancelledBy))
      }
    },
    close: async () => {
      closed.abort()
      const ends = [...running.values()].map(({ stop, ended }) => {
        stop.abort(new FencedError('the conductor stops'))
        return ended
      })
      const late = Promise.withResolvers<void>()
      const timer = setTimeout(late.resolve, CLOSE_MS)
      await Promise.race([Promise.all(ends), late.promise])
      clearTimeout(timer)
    },
  }
}
