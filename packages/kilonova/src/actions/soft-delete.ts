/** Delete a server for the time being: its guest is off, everything else stays until it is restored, or reclaimed after `reclaim_instance_interval`. */
import { z } from 'zod'
import { action } from './define.ts'
import { restorePower } from './power.ts'

export const softDelete = action('softDelete', {
  body: z.null(),
  policy: 'os_compute_api:servers:delete',
  when: { vmState: 'any', taskState: 'any' },
  duringTask: 'cancel',
  repeatable: true,
  taskState: 'soft-deleting',
  then: { vmState: 'soft-delete', powerState: 'shutdown' },
  shownAs: { action: 'delete', event: 'compute_soft_delete_instance' },
}).step('switchOff', {
  loses: ['memory'],
  run: async ({ server, hostAt }) => {
    if (server.host !== null) await hostAt(server.host).switchOff()
  },
  undo: async (ctx) => {
    if (ctx.server.host !== null) await restorePower(ctx)
  },
})
