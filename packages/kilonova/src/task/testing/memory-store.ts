/** For tests: one task's journal and server in memory. Its lease can be lost, and events can happen. */
import type { Json } from '../../domain/json.ts'
import { demoServer } from '../../domain/server-fixture.ts'
import { FencedError, type Ending, type Entry, type Task, type TaskStore } from '../journal.ts'

export interface MemoryStore extends TaskStore {
  readonly entries: Entry[]
  readonly taskStates: string[]
  readonly progressed: number[]
  readonly postponed: { readonly runAt: number; readonly reason: string }[]
  ending: Ending | undefined
  epoch: number
  /** As the host or another service would: it is kept, and wakes who waits. */
  happen(name: string, tag: string, data: Json): void
}

export const demoTask = (wish: Partial<Task> = {}): Task => ({
  id: 'task-1',
  action: 'shelve',
  serverId: demoServer().id,
  projectId: 'project-1',
  userId: 'user-1',
  requestId: 'req-1',
  body: null,
  admitted: { vmState: 'active', taskState: null, powerState: 'running' },
  epoch: 1,
  cancelledBy: null,
  attempts: 0,
  ...wish,
})

export function memoryStore(now: () => number): MemoryStore {
  const wakers = new Set<() => void>()
  const events: { name: string; tag: string; data: Json; at: number }[] = []
  const ours = ({ epoch }: Task): void => {
    if (epoch !== store.epoch) throw new FencedError('lost')
  }
  const store: MemoryStore = {
    entries: [],
    taskStates: [],
    progressed: [],
    postponed: [],
    ending: undefined,
    epoch: 1,
    happen: (name, tag, data) => {
      events.push({ name, tag, data, at: now() })
      for (const wake of wakers) wake()
    },
    read: async () => [...store.entries],
    append: async (task, entries, taskState) => {
      ours(task)
      store.entries.push(...entries.map((entry) => ({ ...entry, at: now() })))
      if (taskState) store.taskStates.push(taskState)
    },
    server: async () => demoServer(),
    renewEpoch: async (task) => {
      ours(task)
      return { ...task, epoch: ++store.epoch }
    },
    finish: async (task, entries, ending) => {
      await store.append(task, entries)
      store.ending = ending
    },
    postpone: async (_task, runAt, reason) => void store.postponed.push({ runAt, reason }),
    progress: async (_task, percent) => void store.progressed.push(percent),
    event: async (_task, name, tag, since) =>
      events.find((event) => event.name === name && event.tag === tag && event.at >= since)?.data,
    watch: (_task, wake) => {
      wakers.add(wake)
      return () => void wakers.delete(wake)
    },
  }
  return store
}
