/** Restore a soft-deleted server: it runs again, whatever it did before. */
import { z } from 'zod'
import { action, anything, onWire, type ServerAction } from './define.ts'
import { hostOf, startGuest } from './power.ts'
import { forgetShelved } from './snapshot.ts'

export const restore: ServerAction = {
  ...onWire(
    { key: 'restore', status: 202, value: anything },
    action('restore', {
      body: z.null(),
      policy: 'os_compute_api:os-deferred-delete:restore',
      when: { vmState: ['soft-delete'], needsHost: true },
      duringTask: 'refuse',
      taskState: 'restoring',
      then: { vmState: 'active', powerState: 'running' },
      shownAs: { action: 'restore', event: 'compute_restore_instance' },
    })
      .step('start', { run: startGuest, undo: (ctx) => hostOf(ctx).powerOff() })
      .pivot()
      // It may have been shelved before: its disk is where it was, the image of it is of no use any more.
      .step('shelved', { run: forgetShelved }),
  ),
  takes: ({ flavor }) => ({ instances: 1, cores: flavor.vcpus, ram: flavor.memoryMb }),
}
