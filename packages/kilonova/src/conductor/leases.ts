/** Leases: which tasks this conductor runs. Taken by compare-and-swap, renewed together, lost when another took them. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Kysely } from 'kysely'
import { atomically } from '../db/database.ts'
import { nextEpoch } from '../db/servers.ts'
import {
  dueTasks,
  findTask,
  leaseTask,
  postponeTask,
  releaseLeasesBy,
  renewLeases,
  setTaskEpoch,
  type TaskRow,
} from '../db/tasks.ts'
import type { Tables } from '../db/tables.ts'
import type { Json } from '../domain/json.ts'
import type { Admitted } from '../task/action.ts'
import type { Task } from '../task/journal.ts'

export interface Leases {
  /** The task if it is due and free, leased to us under a new epoch. */
  take(taskId: string): Promise<Task | undefined>
  takeDue(limit: number): Promise<readonly Task[]>
  /** Lets go of a task that is ours and runs no more; due again at `runAt`. */
  release(taskId: string, runAt: number, reason: string): Promise<void>
  /** Lets go of all that is ours: another conductor need not wait until the leases are over. */
  releaseAll(): Promise<void>
  /** Our tasks by id, with who wants them cancelled; those that are missing were lost. */
  renew(): Promise<ReadonlyMap<string, { readonly cancelledBy: string | null }>>
}

export function leases(db: Kysely<Tables>, clock: Clock, owner: string, leaseMs: number): Leases {
  const lease = (row: TaskRow): Promise<Task | undefined> =>
    atomically(db, async (tx) => {
      const now = clock.now()
      // The task's row before the server's, as everybody does: on PostgreSQL the other order would deadlock with an admission.
      const taken = await leaseTask(tx, row, owner, now, now + leaseMs)
      if (!taken) return undefined
      const epoch = await nextEpoch(tx, row.server_id)
      await setTaskEpoch(tx, row.id, epoch)
      return toTask({ ...taken, epoch })
    })
  return {
    take: async (taskId) => {
      const row = await findTask(db, taskId)
      const now = clock.now()
      if (!row || row.finished_at !== null || row.run_at > now || row.leased_until >= now) return undefined
      if (row.after_task_id !== null && (await findTask(db, row.after_task_id))?.finished_at === null) return undefined
      return lease(row)
    },
    takeDue: async (limit) => {
      const taken: Task[] = []
      for (const row of await dueTasks(db, clock.now(), limit)) {
        const task = await lease(row)
        if (task) taken.push(task)
      }
      return taken
    },
    release: (taskId, runAt, reason) => postponeTask(db, taskId, { owner }, runAt, reason, clock.now()),
    releaseAll: () => releaseLeasesBy(db, owner),
    renew: async () => {
      const rows = await renewLeases(db, owner, clock.now() + leaseMs)
      return new Map(rows.map((row) => [row.id, { cancelledBy: row.cancelled_by }]))
    },
  }
}

const toTask = (row: TaskRow): Task => ({
  id: row.id,
  action: row.action,
  serverId: row.server_id,
  projectId: row.project_id,
  userId: row.user_id,
  requestId: row.request_id,
  body: JSON.parse(row.body) as Json,
  admitted: JSON.parse(row.admitted) as Admitted,
  epoch: row.epoch,
  cancelledBy: row.cancelled_by,
  attempts: row.attempts,
})
