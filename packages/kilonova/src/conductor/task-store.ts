/** The runner's store over our tables. Each write is one transaction that first makes sure the task is still ours. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Kysely, Transaction } from 'kysely'
import { atomically } from '../db/database.ts'
import { findEvent } from '../db/events.ts'
import { setFault, setProgress } from '../db/server-columns.ts'
import { findServer, nextEpoch, transition } from '../db/servers.ts'
import {
  appendJournal,
  finishTask,
  holds,
  postponeTask,
  readJournal,
  setTaskEpoch,
  setTaskProgress,
  tasksAfter,
} from '../db/tasks.ts'
import type { Tables } from '../db/tables.ts'
import type { Json } from '../domain/json.ts'
import { FencedError, type Entry, type NewEntry, type Task, type TaskStore } from '../task/journal.ts'

export interface Wakers {
  /** Tells whoever leases tasks that this one may run now. */
  taskReady(taskId: string): void
  /** Tells whoever watches the server that its task is over. */
  taskEnded(serverId: string): void
  onServerEvent(serverId: string, wake: () => void): () => void
}

/** One transaction under the task's lease. Errors: FencedError when the task is not ours any more; then nothing was written. */
export const whileHeld = <T>(
  db: Kysely<Tables>,
  task: Pick<Task, 'id' | 'epoch'>,
  work: (tx: Transaction<Tables>) => Promise<T>,
): Promise<T> =>
  atomically(db, async (tx) => {
    if (!(await holds(tx, task.id, task.epoch))) throw new FencedError(`task ${task.id} is not ours any more`)
    return work(tx)
  })

export function taskStore(db: Kysely<Tables>, clock: Clock, wakers: Wakers): TaskStore {
  /** The next journal number of each task we run; found by `read`. */
  const numbers = new Map<string, number>()

  const guarded = <T>(task: Task, work: (tx: Transaction<Tables>) => Promise<T>): Promise<T> =>
    whileHeld(db, task, work)

  async function write(tx: Transaction<Tables>, task: Task, entries: readonly NewEntry[]): Promise<void> {
    const from = numbers.get(task.id) ?? 0
    await appendJournal(tx, task.id, from, entries.map(toRow), clock.now())
    numbers.set(task.id, from + entries.length)
  }

  return {
    read: async (task) => {
      const rows = await readJournal(db, task.id)
      numbers.set(task.id, (rows.at(-1)?.number ?? -1) + 1)
      return rows.map(({ event, step, data, at }) => {
        if (event === 'done') return { event, step, at, output: data === null ? null : (JSON.parse(data) as Json) }
        if (event === 'failed') return { event, step, at, reason: data === null ? '' : (JSON.parse(data) as string) }
        return { event: event as 'started' | 'undone', step, at } satisfies Entry
      })
    },
    append: (task, entries, taskState) =>
      guarded(task, async (tx) => {
        await write(tx, task, entries)
        if (taskState === undefined) return
        const server = await findServer(tx, task.serverId)
        if (server?.taskId === task.id) await transition(tx, server, { taskState }, clock.now())
      }),
    server: async (task) => {
      const server = await findServer(db, task.serverId, { deleted: true })
      if (!server) throw new Error(`server ${task.serverId} has a task but no row`)
      return server
    },
    finish: async (task, entries, ending) => {
      let handedOn = false
      await guarded(task, async (tx) => {
        const now = clock.now()
        await write(tx, task, entries)
        await finishTask(tx, task.id, ending.result, ending.result === 'undone' ? ending.fault.details : null, now)
        const server = await findServer(tx, task.serverId)
        if (ending.result === 'undone') await setFault(tx, task.serverId, ending.fault)
        handedOn = server?.taskId !== task.id
        if (!server || handedOn) return
        const free = { taskState: null, taskId: null }
        const to =
          ending.result === 'succeeded'
            ? { ...ending.then, ...free }
            : { vmState: ending.vmState, powerState: ending.admitted.powerState, ...free }
        await transition(tx, server, to, now)
        if (server.progress !== 0) await setProgress(tx, server.id, 0)
      })
      numbers.delete(task.id)
      wakers.taskEnded(task.serverId)
      if (handedOn) for (const id of await tasksAfter(db, task.id)) wakers.taskReady(id)
    },
    renewEpoch: (task) =>
      guarded(task, async (tx) => {
        const epoch = await nextEpoch(tx, task.serverId)
        await setTaskEpoch(tx, task.id, epoch)
        return { ...task, epoch }
      }),
    postpone: (task, runAt, reason) => postponeTask(db, task.id, { epoch: task.epoch }, runAt, reason, clock.now()),
    progress: async (task, percent) => {
      const whole = Math.max(0, Math.min(100, Math.round(percent)))
      await guarded(task, async (tx) => {
        await setTaskProgress(tx, task.id, whole)
        await setProgress(tx, task.serverId, whole)
      })
    },
    event: (task, name, tag, since) => findEvent(db, task.serverId, name, tag, since),
    watch: (task, wake) => wakers.onServerEvent(task.serverId, wake),
  }
}

const toRow = (entry: NewEntry) => ({
  event: entry.event,
  step: entry.step,
  data: entry.event === 'done' ? entry.output : entry.event === 'failed' ? entry.reason : undefined,
  host: null,
})
