/** Rescue a server: it boots from a rescue image, its own disk is a second one beside it. Unrescue boots it from its disk again. */
import { z } from 'zod'
import type { Base } from '../task/action.ts'
import { action, onWire, type Reach } from './define.ts'
import { hostOf, restorePower, shutdownTimeout, shutDownGuest, startGuest } from './power.ts'

const rescueBody = z.strictObject({
  image: z.strictObject({ id: z.uuid(), properties: z.record(z.string(), z.string()) }),
})

/** Takes the power and forgets the guest, which has other disks when it is made again. */
const forget = (ctx: Reach & Base<unknown>): Promise<void> => hostOf(ctx).destroyNow()

export const rescue = action('rescue', {
  body: rescueBody,
  policy: 'os_compute_api:os-rescue',
  when: { vmState: ['active', 'stopped', 'error'], needsHost: true },
  duringTask: 'refuse',
  taskState: 'rescuing',
  then: { vmState: 'rescued', powerState: 'running' },
  shownAs: { action: 'rescue', event: 'compute_rescue_instance' },
})
  .step('image', {
    run: async (ctx) => {
      const ticket = await ctx.imageTicket(ctx.body.image.id)
      await hostOf(ctx).fetchImage(ticket)
      const { imageId, diskFormat, hash, hashAlgorithm } = ticket
      return { imageId, diskFormat, hash, hashAlgorithm }
    },
  })
  .step('disk', {
    // As large as the image: what is rescued is on the other disk.
    run: (ctx, { image }) => hostOf(ctx).createRescueDisk({ serverId: ctx.server.id, image, rootGb: 0 }),
    undo: (ctx) => hostOf(ctx).removeRescueDisk(),
  })
  .step('shutdown', { loses: ['memory'], run: (ctx) => shutDownGuest(ctx, shutdownTimeout(ctx)), undo: restorePower })
  .step('destroy', { loses: ['memory'], run: forget, undo: restorePower })
  .step('record', {
    run: ({ rows, body, clock }) =>
      rows.rescue({ imageId: body.image.id, properties: body.image.properties, at: clock.now() }),
    undo: ({ rows }) => rows.rescue(null),
  })
  .step('start', { run: startGuest, undo: forget })

const record = z.strictObject({ imageId: z.string(), properties: z.record(z.string(), z.string()), at: z.number() })

export const unrescue = onWire(
  { key: 'unrescue', status: 202, value: z.null() },
  action('unrescue', {
    body: z.null(),
    policy: 'os_compute_api:os-unrescue',
    when: { vmState: ['rescued'], needsHost: true },
    duringTask: 'refuse',
    taskState: 'unrescuing',
    then: { vmState: 'active', powerState: 'running' },
    shownAs: { action: 'unrescue', event: 'compute_unrescue_instance' },
  })
    .step('before', { run: async ({ server }) => (server.rescue === null ? null : record.parse(server.rescue)) })
    .step('destroy', { loses: ['memory'], run: forget, undo: restorePower })
    .step('record', { run: ({ rows }) => rows.rescue(null), undo: ({ rows }, { before }) => rows.rescue(before) })
    .step('start', { run: startGuest, undo: forget })
    .pivot()
    .step('drop', { loses: ['disk'], run: (ctx) => hostOf(ctx).removeRescueDisk() }),
)
