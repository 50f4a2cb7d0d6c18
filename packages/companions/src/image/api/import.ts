/** `/v2/images/{id}/import`: gives an image its bytes from a host of the web, or those that were staged; and what imports there are. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { parsed } from '../../openstack/body.ts'
import { badRequest, conflict } from '../../openstack/fault.ts'
import { withCaller } from '../../openstack/token-check.ts'
import { changeableImage, type ImageContext } from '../context.ts'
import type { Imports } from '../imports.ts'
import { bytesLeft } from '../quota.ts'
import type { Image } from '../store/images.ts'
import { insertTask } from '../store/tasks.ts'
import { begin } from '../upload.ts'
import { allowedUrl, type WebSources } from '../web-source.ts'

const body = z.looseObject({
  method: z.looseObject({ name: z.string().max(64), uri: z.string().max(2048).optional() }),
})

/** Nobody is told of a way that leads nowhere. */
export const importMethods = ({ allowedHosts }: WebSources): readonly string[] => [
  'glance-direct',
  ...(allowedHosts.length > 0 ? ['web-download'] : []),
]

export function importRoutes(app: FastifyInstance, ctx: ImageContext, imports: Imports): void {
  app.post(
    '/v2/images/:id/import',
    withCaller(ctx.check, async (caller, request, reply) => {
      const { id } = request.params as { id: string }
      const { method } = parsed(body, request.body)
      if (!importMethods(ctx.webSources).includes(method.name))
        throw badRequest(`Unknown import method name '${method.name}'.`)
      const image = await changeableImage(ctx, caller, id)
      if (image.status === 'active') throw conflict('Image with status active cannot be target for import')
      for (const name of ['container_format', 'disk_format'] as const)
        if (image[name] === null) throw conflict(`'${name}' needs to be set before import`)
      await bytesLeft(ctx, image.owner)

      const taskId = randomUUID()
      const now = ctx.clock.now()
      const admit = (from: Image['status']): Promise<string> =>
        ctx.database.kysely.transaction().execute(async (tx) => {
          await insertTask(tx, {
            id: taskId,
            image_id: id,
            type: 'api_image_import',
            owner: image.owner,
            user_id: caller.userId,
            request_id: request.id,
            input: JSON.stringify({ image_id: id, import_req: { method }, backend: [null] }),
            created_at: now,
          })
          return begin(tx, image, { from, to: 'importing', now })
        })
      if (method.name === 'web-download') {
        if (image.status !== 'queued')
          throw conflict("Image needs to be in 'queued' state to use 'web-download' method")
        const { href } = allowedUrl(method.uri ?? '', ctx.webSources)
        imports.fetch(image, await admit('queued'), taskId, href)
      } else {
        const bytes = ctx.staged.get(id)
        if (!bytes || image.status !== 'uploading')
          throw conflict("Image needs to be staged before 'glance-direct' method can be used")
        const uploadId = await admit('uploading')
        ctx.staged.delete(id)
        imports.use(image, uploadId, taskId, bytes.received)
      }
      return reply.code(202).send()
    }),
  )
}
