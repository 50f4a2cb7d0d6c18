/** `/v2/images`: create, list, show, delete. The bytes are under `/file`. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { parsed } from '../../openstack/body.ts'
import { mustWrite } from '../../openstack/caller.ts'
import { badRequest, conflict, forbidden } from '../../openstack/fault.ts'
import { publicUrl } from '../../openstack/service.ts'
import { withCaller } from '../../openstack/token-check.ts'
import { changeableImage, unstage, visibleImage, type ImageContext } from '../context.ts'
import { mustBeAllowed, mustBeWritable, parseDocument } from '../document.ts'
import { deleteImage, insertImage, listImages } from '../store/images.ts'
import { mustHavePlace } from '../quota.ts'
import { contentInUse } from '../store/uploads.ts'
import { imageView } from '../view.ts'
import { importMethods } from './import.ts'
import { nextPage, parseList } from './list-query.ts'

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i

export function imageRoutes(app: FastifyInstance, ctx: ImageContext): void {
  const { kysely } = ctx.database

  app.post(
    '/v2/images',
    withCaller(ctx.check, async (caller, request, reply) => {
      mustWrite(caller)
      const { id = randomUUID(), ...raw } = parsed(
        z.looseObject({ id: z.string().regex(UUID).optional() }),
        request.body,
      )
      for (const name of Object.keys(raw)) mustBeWritable(name)
      const document = parseDocument(raw)
      mustBeAllowed(caller, undefined, document)
      const now = ctx.clock.now()
      const image = {
        id: id.toLowerCase(),
        ...document.base,
        protected: Number(document.base.protected),
        os_hidden: Number(document.base.os_hidden),
        status: 'queued' as const,
        owner: document.owner ?? caller.projectId,
        size: null,
        virtual_size: null,
        checksum: null,
        os_hash_value: null,
        upload_id: null,
        created_at: now,
        updated_at: now,
      }
      await ctx.content.locked(`project ${image.owner}`, async () => {
        await mustHavePlace(ctx, image.owner)
        if (!(await insertImage(kysely, image, document.tags, document.properties)))
          throw conflict(`Image ID ${id} already exists!`)
      })
      return reply
        .code(201)
        .headers({
          location: `${publicUrl(request)}/v2/images/${image.id}`,
          'openstack-image-import-methods': importMethods(ctx.webSources).join(','),
        })
        .send(
          imageView({
            ...image,
            tags: JSON.stringify([...new Set(document.tags)].toSorted()),
            properties: JSON.stringify(document.properties),
          }),
        )
    }),
  )

  app.get(
    '/v2/images',
    withCaller(ctx.check, async (caller, request) => {
      const list = parseList(request.query)
      const images = await listImages(ctx.database, caller, list)
      if (!images) throw badRequest(`Marker ${list.marker} could not be found.`)
      return {
        images: images.map(imageView),
        first: `/v2/images${request.url.includes('?') ? request.url.slice(request.url.indexOf('?')) : ''}`,
        ...nextPage(request.url, list, images.at(-1)?.id, images.length),
        schema: '/v2/schemas/images',
      }
    }),
  )

  app.get(
    '/v2/images/:id',
    withCaller(ctx.check, async (caller, request) => {
      const { id } = request.params as { id: string }
      return imageView(await visibleImage(ctx, caller, id))
    }),
  )

  app.delete(
    '/v2/images/:id',
    withCaller(ctx.check, async (caller, request, reply) => {
      const { id } = request.params as { id: string }
      const image = await changeableImage(ctx, caller, id)
      if (image.protected) throw forbidden(`Image ${id} is protected and cannot be deleted.`)
      // An upload may have ended since the image was read, so the hash is taken from the deleted row.
      const hash = (await deleteImage(kysely, id, ctx.clock.now()))?.os_hash_value
      await unstage(ctx, id)
      if (hash)
        await ctx.content.locked(hash, async () => {
          if (!(await contentInUse(kysely, hash))) await ctx.content.remove(hash)
        })
      return reply.code(204).send()
    }),
  )
}
