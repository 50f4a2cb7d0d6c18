/** Back a server up: an image of its disk, after which the oldest backups of its kind beyond the rotation go. */
import { z } from 'zod'
import { copying, newImage } from './snapshot.ts'

export const createBackup = copying('createBackup', {
  body: z.strictObject({
    image: newImage,
    /** How many of its `backup_type` stay, this one counted. */
    rotation: z.int().min(0),
  }),
  policy: 'os_compute_api:os-create-backup',
  taskState: 'image_backup',
  whileCopying: 'image_backup',
  shownAs: { action: 'createBackup', event: 'compute_backup_instance' },
}).step('rotate', {
  run: async ({ glance, server, body: { image, rotation }, log }) => {
    const { backup_type = '' } = image.properties
    const kept = { instance_uuid: server.id, image_type: 'backup', backup_type }
    for (const id of (await glance.withProperties(image.owner, kept)).slice(rotation))
      // One that its owner protects stays, and holds up nothing.
      await glance.remove(id).catch((error: unknown) => log.warn('old backup stays', { image: id, error }))
  },
})
