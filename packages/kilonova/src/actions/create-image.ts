/** Create an image of a server's disk, as it is at one moment; a server that runs goes on. A server that is off is copied as it lies. */
import { z } from 'zod'
import { action } from './define.ts'
import { hostOf } from './power.ts'
import { imageAwaitsContent, newImage, uploadCopy } from './snapshot.ts'

export const createImage = action('createImage', {
  body: z.strictObject({ image: newImage }),
  policy: 'os_compute_api:servers:create_image',
  when: { vmState: ['active', 'stopped', 'paused', 'suspended'], needsHost: true },
  duringTask: 'refuse',
  taskState: 'image_snapshot_pending',
  then: {},
  shownAs: { action: 'createImage', event: 'compute_snapshot_instance' },
})
  .step('image', {
    run: ({ glance, body }) => glance.create(body.image),
    undo: ({ glance, body }) => glance.remove(body.image.id),
  })
  .step('copy', {
    taskState: 'image_snapshot',
    run: (ctx) => hostOf(ctx).snapshot(ctx.body.image.id),
    undo: (ctx) => hostOf(ctx).removeSnapshot(ctx.body.image.id),
  })
  .step('pending', {
    taskState: 'image_pending_upload',
    run: async (ctx) => void (await imageAwaitsContent(ctx, ctx.body.image)),
  })
  .step('upload', { taskState: 'image_uploading', run: (ctx) => uploadCopy(ctx, ctx.body.image) })
  .pivot()
  .step('drop', { run: (ctx) => hostOf(ctx).removeSnapshot(ctx.body.image.id) })
