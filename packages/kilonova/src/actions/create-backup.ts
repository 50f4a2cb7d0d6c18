/** Back a server up: an image of its disk, after which the oldest backups of its kind beyond the rotation go. */
import { z } from 'zod'
import { action } from './define.ts'
import { hostOf } from './power.ts'
import { imageAwaitsContent, newImage, uploadCopy } from './snapshot.ts'

export const createBackup = action('createBackup', {
  body: z.strictObject({
    image: newImage,
    /** How many of its `backup_type` stay, this one counted. */
    rotation: z.int().min(0),
  }),
  policy: 'os_compute_api:os-create-backup',
  when: { vmState: ['active', 'stopped', 'paused', 'suspended'], needsHost: true },
  duringTask: 'refuse',
  taskState: 'image_backup',
  then: {},
  shownAs: { action: 'createBackup', event: 'compute_backup_instance' },
})
  .step('image', {
    run: ({ glance, body }) => glance.create(body.image),
    undo: ({ glance, body }) => glance.remove(body.image.id),
  })
  .step('copy', {
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
  .step('rotate', {
    run: async ({ glance, server, body: { image, rotation }, log }) => {
      const { backup_type = '' } = image.properties
      const kept = { instance_uuid: server.id, image_type: 'backup', backup_type }
      for (const id of (await glance.withProperties(image.owner, kept)).slice(rotation))
        // One that its owner protects stays, and holds up nothing.
        await glance.remove(id).catch((error: unknown) => log.warn('old backup stays', { image: id, error }))
    },
  })
