/** Resume a suspended server: it goes on where it was. */
import { z } from 'zod'
import { action, anything, onWire } from './define.ts'
import { hostOf, startGuest } from './power.ts'

export const resume = onWire(
  { key: 'resume', status: 202, value: anything },
  action('resume', {
    body: z.null(),
    policy: 'os_compute_api:os-suspend-server:resume',
    when: { vmState: ['suspended'], needsHost: true },
    duringTask: 'refuse',
    taskState: 'resuming',
    then: { vmState: 'active', powerState: 'running' },
    shownAs: { action: 'resume', event: 'compute_resume_instance' },
  }).step('resume', {
    run: startGuest,
    undo: async (ctx) => {
      const host = hostOf(ctx)
      if ((await host.powerState()) === 'running') await host.suspend()
    },
  }),
)
