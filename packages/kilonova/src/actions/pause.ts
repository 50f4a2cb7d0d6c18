/** Pause a server: its processors stop, its memory stays. */
import { z } from 'zod'
import { action, anything, onWire } from './define.ts'
import { hostOf } from './power.ts'

export const pause = onWire(
  { key: 'pause', status: 202, value: anything },
  action('pause', {
    body: z.null(),
    policy: 'os_compute_api:os-pause-server:pause',
    when: { vmState: ['active'], needsHost: true },
    duringTask: 'refuse',
    taskState: 'pausing',
    then: { vmState: 'paused', powerState: 'paused' },
    shownAs: { action: 'pause', event: 'compute_pause_instance' },
  }).step('pause', {
    run: (ctx) => hostOf(ctx).pause(),
    undo: async (ctx) => {
      const host = hostOf(ctx)
      if ((await host.powerState()) === 'paused') await host.unpause()
    },
  }),
)
