/** Stop a server: ask its guest to shut down, then take the power. The disk and the ports stay. */
import { z } from 'zod'
import { action, onWire } from './define.ts'
import { hostOf, restorePower, shutdownTimeout, shutDownGuest } from './power.ts'

export const stop = onWire(
  { key: 'os-stop', status: 202, value: z.null() },
  action('stop', {
    body: z.null(),
    policy: 'os_compute_api:servers:stop',
    when: { vmState: ['active', 'error'], needsHost: true },
    duringTask: 'refuse',
    taskState: 'powering-off',
    then: { vmState: 'stopped', powerState: 'shutdown' },
    shownAs: { action: 'stop', event: 'compute_stop_instance' },
  })
    .step('shutdown', { loses: ['memory'], run: (ctx) => shutDownGuest(ctx, shutdownTimeout(ctx)), undo: restorePower })
    .step('powerOff', { loses: ['memory'], run: (ctx) => hostOf(ctx).powerOff(), undo: restorePower }),
)
