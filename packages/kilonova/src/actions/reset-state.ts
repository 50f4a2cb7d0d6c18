/**
 * Give a server the state that an administrator says it is in. One without a task has it at once (server-reset.ts); the task of a busy one
 * is undone first, and an undo that fails no longer holds it up: that is what the operation is for. Nothing is done on its host.
 */
import { z } from 'zod'
import { TASK_STATES } from '../domain/states.ts'
import { action } from './define.ts'

export const resetBody = z.strictObject({ vmState: z.enum(['active', 'error']) })

export const resetState = action('resetState', {
  body: resetBody,
  policy: 'os_compute_api:os-admin-actions:reset_state',
  // A delete cannot be stopped any more: whoever took its server over would keep a row of what is gone.
  when: {
    vmState: 'any',
    taskState: [null, ...TASK_STATES.filter((state) => state !== 'deleting')],
    allowLocked: true,
  },
  duringTask: 'cancel',
  removesAll: true,
  taskState: 'resetting',
  then: (_admitted, { vmState }) => ({ vmState }),
  shownAs: { action: 'resetState', event: null },
}).step('reset', { run: async () => {} })
