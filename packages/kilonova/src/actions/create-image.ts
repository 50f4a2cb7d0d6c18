/** Create an image of a server's disk, as it is at one moment; a server that runs goes on. A server that is off is copied as it lies. */
import { z } from 'zod'
import { copying, newImage } from './snapshot.ts'

export const createImage = copying('createImage', {
  body: z.strictObject({ image: newImage }),
  policy: 'os_compute_api:servers:create_image',
  taskState: 'image_snapshot_pending',
  whileCopying: 'image_snapshot',
  shownAs: { action: 'createImage', event: 'compute_snapshot_instance' },
})
