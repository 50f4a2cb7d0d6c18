/** Runs what is repeated: each task by its own beat, never two runs of one task at once; a failed run is logged and the beat goes on. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from './log.ts'

export interface PeriodicTask {
  readonly name: string
  /** Milliseconds from the end of a run to the next one. */
  readonly every: number
  run(): Promise<void>
}

/** Returns a function that stops the beat and waits for runs under way. */
export function runPeriodic(tasks: readonly PeriodicTask[], log: Log): () => Promise<void> {
  const stop = new AbortController()
  async function beat({ name, every, run }: PeriodicTask): Promise<void> {
    // Hosts started together do not ask together.
    let wait = every * (0.5 + Math.random() / 2)
    for (;;) {
      await delay(wait, undefined, { signal: stop.signal, ref: false })
      await run().catch((error: unknown) => log.warn('periodic task failed', { task: name, error }))
      stop.signal.throwIfAborted()
      wait = every
    }
  }
  const beats = tasks.map(beat)
  return async () => {
    stop.abort()
    await Promise.allSettled(beats)
  }
}
