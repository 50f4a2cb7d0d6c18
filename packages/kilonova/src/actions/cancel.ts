/** Stops the task that a server has by undoing it: what users may ask for themselves. Errors leave everything as it is. */
import { atomically, type Db } from '../db/database.ts'
import { findServer } from '../db/servers.ts'
import { cancelTask, findTask, readJournal, type TaskRow } from '../db/tasks.ts'
import { NovaError } from '../domain/errors.ts'
import { TASK_CANCELLED } from '../rpc/conductor.ts'
import { denied } from '../task/denied.ts'
import type { Admission, Caller } from './admit.ts'
import { ACTIONS } from './index.ts'

export const CANCEL = 'kilonova:cancel'
const WHEN = { when: { vmState: 'any', taskState: 'any' }, duringTask: 'refuse' } as const

/** One that is past its pivot meanwhile ends as if nobody had asked. `by` is who asked, as the fault says it; false: somebody did before. Errors: NovaError InstanceNotFound, InstanceIsLocked, NoTask, TaskPastPivot. */
export async function cancelRunning(
  { db, bus, clock }: Admission,
  caller: Caller,
  serverId: string,
  by = CANCEL,
): Promise<boolean> {
  const taskId = await atomically(db, async (tx) => {
    const server = await findServer(tx, serverId)
    if (!server) throw new NovaError('InstanceNotFound', { id: serverId })
    const problem = denied(CANCEL, WHEN, server, caller.isAdmin)
    if (problem) throw problem
    const task = server.taskId === null ? undefined : await findTask(tx, server.taskId)
    if (!task) throw new NovaError('NoTask', { id: serverId })
    await undoable(tx, task)
    if (by !== CANCEL && task.cancelled_by !== null) return null
    await cancelTask(tx, task.id, by, clock.now())
    return task.id
  })
  if (taskId === null) return false
  bus.publish(TASK_CANCELLED, { taskId, by })
  return true
}

/** Errors: NovaError TaskPastPivot when it has begun what is only ever done. */
export async function undoable(db: Db, task: Pick<TaskRow, 'id' | 'action' | 'server_id'>): Promise<void> {
  const action = ACTIONS[task.action]
  const last = new Set(action?.steps.slice(action.pivotAt).map(({ name }) => name))
  const isPast = action?.pivotAt === 0 || (await readJournal(db, task.id)).some(({ step }) => last.has(step))
  if (isPast)
    throw new NovaError('TaskPastPivot', { id: task.server_id, action: action?.shownAs.action ?? task.action })
}
