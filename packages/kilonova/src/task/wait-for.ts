/** Waiting for what happens outside, durably: events are rows, so one that came while nobody ran is not lost. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Json } from '../domain/json.ts'
import type { Task, TaskStore } from './journal.ts'

export interface Wait {
  readonly store: TaskStore
  readonly clock: Clock
  readonly task: Task
  readonly name: string
  readonly tag: string
  /** Only events from then on count. */
  readonly since: number
  readonly deadline: number
  readonly signal: AbortSignal
}

/** A wake-up may be lost on the bus, so the rows are also looked at this often. */
const LOOK_MS = 1000

/** The event's data, or undefined when the deadline passed first. Throws the signal's reason. */
export async function waitFor({
  store,
  clock,
  task,
  name,
  tag,
  since,
  deadline,
  signal,
}: Wait): Promise<Json | undefined> {
  let wake: () => void = () => undefined
  const stop = store.watch(task, () => wake())
  const onAbort = () => wake()
  signal.addEventListener('abort', onAbort)
  try {
    for (;;) {
      const woken = new Promise<void>((resolve) => (wake = resolve))
      signal.throwIfAborted()
      const data = await store.event(task, name, tag, since)
      if (data !== undefined) return data
      const left = deadline - clock.now()
      if (left <= 0) return undefined
      const timer = setTimeout(() => wake(), Math.min(left, LOOK_MS))
      await woken
      clearTimeout(timer)
    }
  } finally {
    stop()
    signal.removeEventListener('abort', onAbort)
  }
}
