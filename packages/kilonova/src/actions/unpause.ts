/** Unpause a server: its processors go on where they stopped. */
import { z } from 'zod'
import { action, anything, onWire } from './define.ts'
import { hostOf } from './power.ts'

export const unpause = onWire(
  { key: 'unpause', status: 202, value: anything },
  action('unpause', {
    body: z.null(),
    policy: 'os_compute_api:os-pause-server:unpause',
    when: { vmState: ['paused'], needsHost: true },
    duringTask: 'refuse',
    taskState: 'unpausing',
    then: { vmState: 'active', powerState: 'running' },
    shownAs: { action: 'unpause', event: 'compute_unpause_instance' },
  }).step('unpause', {
    run: (ctx) => hostOf(ctx).unpause(),
    undo: async (ctx) => {
      const host = hostOf(ctx)
      if ((await host.powerState()) === 'running') await host.pause()
    },
  }),
)
