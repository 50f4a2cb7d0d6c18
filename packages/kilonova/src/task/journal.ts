/** What is known of one task: an append-only journal and the task's row. The only memory a restart has. */
import type { Json } from '../domain/json.ts'
import type { Server, ServerFault } from '../domain/server.ts'
import type { TaskState } from '../domain/states.ts'
import type { Admitted, Then } from './action.ts'

export type Entry =
  | { readonly event: 'started' | 'undone'; readonly step: string; readonly at: number }
  | { readonly event: 'done'; readonly step: string; readonly output: Json; readonly at: number }
  | { readonly event: 'failed'; readonly step: string; readonly reason: string; readonly at: number }
export type NewEntry = Entry extends infer E ? (E extends Entry ? Omit<E, 'at'> : never) : never

export interface Task {
  readonly id: string
  readonly action: string
  readonly serverId: string
  readonly projectId: string
  readonly userId: string
  readonly requestId: string
  readonly body: Json
  readonly admitted: Admitted
  /** Of this lease; writes of an older one are refused. */
  readonly epoch: number
  readonly cancelledBy: string | null
  /** How often its undo, or its way after the pivot, was put off. */
  readonly attempts: number
}

/** The task is not ours (any more): whoever meets this stops at once and writes nothing more. */
export class FencedError extends Error {
  override readonly name = 'FencedError'
}

export type Ending =
  | { readonly result: 'succeeded'; readonly then: Then }
  | {
      readonly result: 'undone'
      readonly vmState: Server['vmState']
      readonly admitted: Admitted
      readonly fault: ServerFault
    }

/** Where tasks are kept. Every write is one transaction and conditional on the task's epoch; errors: FencedError. */
export interface TaskStore {
  read(task: Task): Promise<readonly Entry[]>
  /** Appends entries in order, and shows a task state with them. */
  append(task: Task, entries: readonly NewEntry[], taskState?: TaskState): Promise<void>
  server(task: Task): Promise<Server>
  /**
   * The task under its server's next epoch, still ours: from then on hosts and the scheduler refuse what its steps sent and has
   * not arrived yet. Undo begins with it.
   */
  renewEpoch(task: Task): Promise<Task>
  /** Ends the task and moves its server on, unless a later action has taken the server over. */
  finish(task: Task, entries: readonly NewEntry[], ending: Ending): Promise<void>
  /** Lets go of the task until `runAt`; the reason is shown. */
  postpone(task: Task, runAt: number, reason: string): Promise<void>
  progress(task: Task, percent: number): Promise<void>
  /** The first such event since `since`, if it has happened. */
  event(task: Task, name: string, tag: string, since: number): Promise<Json | undefined>
  /** Calls back when events of the server may have come; returns a function that stops it. */
  watch(task: Task, wake: () => void): () => void
}
