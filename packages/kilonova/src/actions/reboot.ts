/** Reboot. SOFT asks the guest to shut down and starts it again; HARD makes the guest anew from the database: the repair operation. */
import { z } from 'zod'
import { action, onWire, type Wire } from './define.ts'
import { rewriteConfigDrive } from './config-drive.ts'
import { hostOf, restorePower, shutDownGuest, startGuest } from './power.ts'

const wire = (type: 'SOFT' | 'HARD'): Wire => ({
  key: 'reboot',
  status: 202,
  value: z
    .strictObject({ type: z.string().regex(new RegExp(`^${type}$`, 'i'), 'must be HARD or SOFT') })
    .transform(() => null),
})
const shownAs = { action: 'reboot', event: 'compute_reboot_instance' }

export const rebootSoft = onWire(
  wire('SOFT'),
  action('rebootSoft', {
    body: z.null(),
    policy: 'os_compute_api:servers:reboot',
    when: { vmState: ['active'], needsHost: true },
    duringTask: 'refuse',
    taskState: 'rebooting',
    then: { vmState: 'active', powerState: 'running' },
    shownAs,
  })
    .step('shutdown', {
      taskState: 'reboot_pending',
      loses: ['memory'],
      run: (ctx) => shutDownGuest(ctx, ctx.options.softRebootTimeoutSeconds),
      undo: restorePower,
    })
    .step('powerOff', {
      taskState: 'reboot_started',
      loses: ['memory'],
      run: (ctx) => hostOf(ctx).powerOff(),
      undo: restorePower,
    })
    .step('start', { run: startGuest, undo: restorePower }),
)

export const rebootHard = onWire(
  wire('HARD'),
  action('rebootHard', {
    body: z.null(),
    policy: 'os_compute_api:servers:reboot',
    when: {
      vmState: ['active', 'stopped', 'paused', 'suspended', 'error'],
      taskState: [
        null,
        'rebooting',
        'reboot_pending',
        'reboot_started',
        'rebooting_hard',
        'pausing',
        'unpausing',
        'suspending',
        'resuming',
      ],
      needsHost: true,
    },
    duringTask: 'cancel',
    taskState: 'rebooting_hard',
    then: { vmState: 'active', powerState: 'running' },
    shownAs,
  })
    .step('destroy', {
      taskState: 'reboot_pending_hard',
      loses: ['memory'],
      run: (ctx) => hostOf(ctx).destroyNow(),
      undo: restorePower,
    })
    .step('configDrive', { run: rewriteConfigDrive })
    .step('start', { taskState: 'reboot_started_hard', run: startGuest, undo: restorePower }),
)
