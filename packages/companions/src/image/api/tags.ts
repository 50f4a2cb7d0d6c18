/** `/v2/images/{id}/tags/{tag}`. */
import type { FastifyInstance } from 'fastify'
import { badRequest, Fault, notFound } from '../../openstack/fault.ts'
import { strings } from '../../openstack/json-column.ts'
import { withCaller } from '../../openstack/token-check.ts'
import { changeableImage, type ImageContext } from '../context.ts'
import { MAX_TAGS } from '../document.ts'

export function tagRoutes(app: FastifyInstance, ctx: ImageContext): void {
  const { kysely } = ctx.database

  app.put(
    '/v2/images/:id/tags/:tag',
    withCaller(ctx.check, async (caller, request, reply) => {
      const { id, tag } = request.params as { id: string; tag: string }
      const image = await changeableImage(ctx, caller, id)
      if (tag.length > 255) throw badRequest('A tag has at most 255 characters.')
      const tags = strings(image.tags)
      if (!tags.includes(tag) && tags.length >= MAX_TAGS)
        throw new Fault(413, `An image may have at most ${MAX_TAGS} tags.`)
      await kysely
        .insertInto('image_tags')
        .values({ image_id: id, tag })
        .onConflict((there) => there.doNothing())
        .execute()
      return reply.code(204).send()
    }),
  )

  app.delete(
    '/v2/images/:id/tags/:tag',
    withCaller(ctx.check, async (caller, request, reply) => {
      const { id, tag } = request.params as { id: string; tag: string }
      await changeableImage(ctx, caller, id)
      const { numDeletedRows } = await kysely
        .deleteFrom('image_tags')
        .where('image_id', '=', id)
        .where('tag', '=', tag)
        .executeTakeFirst()
      if (numDeletedRows === 0n) throw notFound(`Image ${id} has no tag ${tag}.`)
      return reply.code(204).send()
    }),
  )
}
