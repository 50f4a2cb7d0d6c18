/** Reboot. SOFT asks the guest to shut down and starts it again; HARD makes the guest anew from the database: the repair operation. */
import { z } from 'zod'
import { NovaError } from '../domain/errors.ts'
import { action, onWire, type Wire } from './define.ts'
import { rewriteConfigDrive } from './config-drive.ts'
import { hostOf, restorePower, shutDownGuest, startGuest } from './power.ts'

/** The cache keeps what was fetched: others may stand on it, too. Errors: BaseLost where the server's image is not what its disk stands on. */
async function bringBase(ctx: Parameters<typeof startGuest>[0]): Promise<void> {
  const host = hostOf(ctx)
  const { image, id } = ctx.server
  if (!(await host.missesBase())) return
  if (image !== null) await host.fetchImage(await ctx.imageTicket(image.id))
  if (await host.missesBase()) throw new NovaError('BaseLost', { id })
}

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
        // Upstream names no state for these.
        'attaching-interface',
        'detaching-interface',
      ],
      needsHost: true,
    },
    duringTask: 'cancel',
    taskState: 'rebooting_hard',
    then: { vmState: 'active', powerState: 'running' },
    shownAs,
  })
    // Before anything is taken away: a guest that runs does not miss it yet.
    .step('base', { run: bringBase })
    .step('destroy', {
      taskState: 'reboot_pending_hard',
      loses: ['memory'],
      run: (ctx) => hostOf(ctx).destroyNow(),
      undo: restorePower,
    })
    .step('configDrive', { run: rewriteConfigDrive })
    .step('start', { taskState: 'reboot_started_hard', run: startGuest, undo: restorePower }),
)
