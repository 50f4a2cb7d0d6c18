/** Start a stopped server: plug its ports and make its guest run. */
import { z } from 'zod'
import { action, onWire } from './define.ts'
import { hostOf, startGuest } from './power.ts'

export const start = onWire(
  { key: 'os-start', status: 202, value: z.null() },
  action('start', {
    body: z.null(),
    policy: 'os_compute_api:servers:start',
    when: { vmState: ['stopped'], needsHost: true },
    duringTask: 'refuse',
    taskState: 'powering-on',
    then: { vmState: 'active', powerState: 'running' },
    shownAs: { action: 'start', event: 'compute_start_instance' },
  }).step('start', { run: startGuest, undo: (ctx) => hostOf(ctx).powerOff() }),
)
