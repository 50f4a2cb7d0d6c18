/**
 * Rebuild a server: a new disk from an image, and perhaps another name, key or data; id, ports and addresses stay. The old disk is kept
 * aside until the new one runs, so that a rebuild that fails ends where it began.
 */
import { z } from 'zod'
import { NovaError } from '../domain/errors.ts'
import type { Base } from '../task/action.ts'
import { rewriteConfigDrive } from './config-drive.ts'
import { action, type Reach } from './define.ts'
import { disksFor } from './guest.ts'
import { hostOf, restorePower, shutdownTimeout, shutDownGuest, startGuest } from './power.ts'
import { rebuilt, standing } from './rebuilt.ts'

const body = z.strictObject({
  record: rebuilt,
  /** Its image is another one: the host must be able to run that. */
  otherImage: z.boolean(),
})
type Ctx = Reach & Base<z.output<typeof body>>

const wasOff = ({ admitted }: Pick<Ctx, 'admitted'>): boolean => admitted.vmState === 'stopped'

export const rebuild = action('rebuild', {
  body,
  policy: 'os_compute_api:servers:rebuild',
  when: { vmState: ['active', 'stopped', 'error'], needsHost: true },
  duringTask: 'refuse',
  taskState: 'rebuilding',
  then: ({ vmState }) =>
    vmState === 'stopped'
      ? { vmState: 'stopped', powerState: 'shutdown' }
      : { vmState: 'active', powerState: 'running' },
  shownAs: { action: 'rebuild', event: 'compute_rebuild_instance' },
})
  .step('check', {
    run: async ({ scheduler, server, body: { record, otherImage } }) => {
      if (!otherImage || server.host === null) return
      const answer = await scheduler.mayRun({
        host: server.host,
        imageProperties: record.image?.properties ?? {},
        extraSpecs: server.flavor.extraSpecs,
      })
      if (answer !== null) throw new NovaError('NoValidHost', { reason: answer })
    },
  })
  .step('image', {
    run: async (ctx) => {
      const { image } = ctx.body.record
      if (image === null) throw new NovaError('BuildAborted', { reason: 'it has no image to boot from' })
      const ticket = await ctx.imageTicket(image.id)
      await hostOf(ctx).fetchImage(ticket)
      const { imageId, diskFormat, hash, hashAlgorithm } = ticket
      return { imageId, diskFormat, hash, hashAlgorithm }
    },
  })
  .step('before', { run: async ({ server, body: { record } }) => standing(server, record) })
  .step('shutdown', { loses: ['memory'], run: (ctx) => shutDownGuest(ctx, shutdownTimeout(ctx)), undo: restorePower })
  .step('destroy', { loses: ['memory'], run: (ctx) => hostOf(ctx).destroyNow(), undo: restorePower })
  .step('aside', {
    taskState: 'rebuild_block_device_mapping',
    run: (ctx) => hostOf(ctx).setDisksAside(),
    undo: (ctx) => hostOf(ctx).takeDisksBack(),
  })
  .step('record', {
    run: ({ rows, body: { record } }) => rows.rebuilt(record),
    undo: ({ rows }, { before }) => rows.rebuilt(before),
  })
  .step('disk', {
    run: (ctx, { image }) => hostOf(ctx).createDisk(disksFor(ctx.server, image)),
  })
  .step('configDrive', { run: rewriteConfigDrive })
  .step('start', {
    taskState: 'rebuild_spawning',
    run: async (ctx) => {
      if (!wasOff(ctx)) await startGuest(ctx)
    },
    undo: (ctx) => hostOf(ctx).destroyNow(),
  })
  .pivot()
  .step('drop', { loses: ['disk'], run: (ctx) => hostOf(ctx).dropDisksAside() })
