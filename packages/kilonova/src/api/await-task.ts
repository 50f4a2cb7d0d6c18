/** Waits for a task's end, where a request answers only then, as upstream's calls to its computes do. */
import { findTask } from '../db/tasks.ts'
import { SERVER_EVENT } from '../rpc/conductor.ts'
import type { Ctx } from './context.ts'

/** An event may be lost: the row is looked at this often besides. */
const LOOK_MS = 500

/** `undefined`: it did not end within so long, and goes on. */
export async function awaitTask(
  { db, bus }: Pick<Ctx, 'db' | 'bus'>,
  serverId: string,
  taskId: string,
  milliseconds: number,
): Promise<'succeeded' | 'undone' | undefined> {
  let wake: () => void = () => undefined
  const stop = bus.subscribe(SERVER_EVENT, (event) => {
    if ((event as { serverId: string }).serverId === serverId) wake()
  })
  const until = performance.now() + milliseconds
  try {
    for (;;) {
      const woken = new Promise<void>((resolve) => (wake = resolve))
      const task = await findTask(db, taskId)
      if (task && task.finished_at !== null) return task.status as 'succeeded' | 'undone'
      const left = until - performance.now()
      if (left <= 0) return undefined
      const timer = setTimeout(() => wake(), Math.min(LOOK_MS, left))
      await woken
      clearTimeout(timer)
    }
  } finally {
    stop()
  }
}
