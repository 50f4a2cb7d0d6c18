/** Suspend a server: its memory is written to its host's disk and its power taken; resume goes on from there. */
import { z } from 'zod'
import { action, anything, onWire } from './define.ts'
import { hostOf, restorePower } from './power.ts'

export const suspend = onWire(
  { key: 'suspend', status: 202, value: anything },
  action('suspend', {
    body: z.null(),
    policy: 'os_compute_api:os-suspend-server:suspend',
    when: { vmState: ['active'], needsHost: true },
    duringTask: 'refuse',
    taskState: 'suspending',
    // As upstream's hypervisor sees it: a guest whose memory lies on the disk is off.
    then: { vmState: 'suspended', powerState: 'shutdown' },
    shownAs: { action: 'suspend', event: 'compute_suspend_instance' },
  }).step('suspend', { run: (ctx) => hostOf(ctx).suspend(), undo: restorePower }),
)
