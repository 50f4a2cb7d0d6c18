/** `os-resetState`: an administrator says what state a server is in. At once, but for the task of a busy one: that is undone first. */
import { z } from 'zod'
import { admit } from '../../actions/admit.ts'
import { undoable } from '../../actions/cancel.ts'
import { resetState } from '../../actions/reset-state.ts'
import { atomically } from '../../db/database.ts'
import { findServer, transition } from '../../db/servers.ts'
import { findTask } from '../../db/tasks.ts'
import type { Server } from '../../domain/server.ts'
import type { Ctx } from '../context.ts'
import { record } from './at-once.ts'

const value = z.strictObject({ state: z.enum(['active', 'error']) })

export const serverReset = {
  policy: resetState.policy,
  value,
  /** Errors: TaskPastPivot for a server whose task only goes forward: a delete, above all. */
  run: async (ctx: Ctx, target: Server, asked: unknown) => {
    const { state: vmState } = value.parse(asked)
    const isDone = await atomically(ctx.db, async (tx) => {
      const server = (await findServer(tx, target.id)) ?? target
      const task = server.taskId === null ? undefined : await findTask(tx, server.taskId)
      if (task) return undoable(tx, task).then(() => false)
      if (!(await transition(tx, server, { vmState, taskState: null }, ctx.clock.now()))) return false
      await record(ctx, tx, resetState.name, server)
      return true
    })
    if (!isDone) await admit(ctx, ctx.caller, resetState, target.id, { vmState })
    return { status: 202 }
  },
}
