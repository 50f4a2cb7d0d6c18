/** Delete a server: its guest, ports, files and claims, in an order that can only go forward. A host that is down owes its part. */
import { z } from 'zod'
import { action, anything, onWire } from './define.ts'
import { releasePorts } from './ports.ts'
import { forgetShelved } from './snapshot.ts'

const removal = action('delete', {
  body: z.null(),
  policy: 'os_compute_api:servers:delete',
  when: { vmState: 'any', taskState: 'any' },
  duringTask: 'cancel',
  repeatable: true,
  removesAll: true,
  taskState: 'deleting',
  then: { vmState: 'deleted', powerState: 'nostate' },
  shownAs: { action: 'delete', event: 'compute_terminate_instance' },
})
  .pivot()
  .step('destroy', {
    loses: ['memory'],
    run: async ({ server, hostAt }) => {
      if (server.host !== null) await hostAt(server.host).destroy()
    },
  })
  .step('unplug', {
    run: async ({ server, hostAt }) => {
      if (server.host !== null) await hostAt(server.host).unplug()
    },
  })
  .step('files', {
    loses: ['disk'],
    run: async ({ server, hostAt }) => {
      if (server.host !== null) await hostAt(server.host).removeFiles()
    },
  })
  .step('ports', {
    // Also of one that was made without: an interface may have been attached, and not yet be in its record.
    run: ({ server, neutron }) => releasePorts(neutron, server),
  })
  .step('claims', {
    run: async ({ server, scheduler }) => {
      await scheduler.release({ consumerId: server.id })
    },
  })
  .step('shelved', { run: forgetShelved })

/** With a key of its own it deletes at once what DELETE would only soft-delete. */
const force = { key: 'forceDelete', status: 202, value: anything, policy: 'os_compute_api:os-deferred-delete:force' }
export const deleteServer = onWire(force, removal)
