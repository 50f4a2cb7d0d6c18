/** Properties of images, under the name they once had; proxied until 2.38. */
import { z } from 'zod'
import { nearestLimits } from '../../db/quotas.ts'
import type { Ctx } from '../context.ts'
import { ApiFault, badRequest, notFound } from '../faults.ts'
import { metadata } from '../fields.ts'
import { imageService, propertiesOf } from '../image-service.ts'
import { get, post, put, remove } from '../resource.ts'

type Items = Readonly<Record<string, unknown>>

const imageOf = (ctx: Ctx) => imageService(ctx).show(ctx.params['id'] ?? '')
const keyOf = ({ params }: Ctx): string => params['key'] ?? ''

/** Errors: 403 when there would be more than the quota lets, 404, 403 when the image is somebody else's. */
async function edit(ctx: Ctx, change: (now: Items) => Items): Promise<Items> {
  const image = await imageOf(ctx)
  const wanted = change(propertiesOf(image))
  const { metadata_items: most } = await nearestLimits(ctx.db, ctx.caller, ctx.config.quota)
  if (most >= 0 && Object.keys(wanted).length > most) throw new ApiFault(403, 'Image metadata limit exceeded')
  await imageService(ctx).setProperties(image, wanted)
  return wanted
}

const until = '2.38' as const
const capped = { until, policy: 'none' } as const
const all = (items: Items) => ({ metadata: items })
const one = (items: Items) => ({ meta: items })
const body = z.strictObject({ metadata })
const path = '/images/:id/metadata'

export const imageMetadata = [
  get(path, { ...capped, run: async (ctx) => propertiesOf(await imageOf(ctx)), view: all }),
  post(path, {
    ...capped,
    body,
    run: (ctx, { body: asked }) => edit(ctx, (now) => ({ ...now, ...asked.metadata })),
    view: all,
  }),
  put(path, { ...capped, body, run: (ctx, { body: asked }) => edit(ctx, () => asked.metadata), view: all }),
  get(`${path}/:key`, {
    ...capped,
    run: async (ctx) => {
      const [items, key] = [propertiesOf(await imageOf(ctx)), keyOf(ctx)]
      if (!Object.hasOwn(items, key)) throw notFound()
      return { [key]: items[key] }
    },
    view: one,
  }),
  put(`${path}/:key`, {
    ...capped,
    body: z.strictObject({ meta: metadata }),
    run: async (ctx, { body: { meta } }) => {
      const [key, ...more] = Object.keys(meta)
      if (key !== keyOf(ctx) || more.length > 0) throw badRequest('Request body and URI mismatch')
      await edit(ctx, (now) => ({ ...now, ...meta }))
      return meta
    },
    view: one,
  }),
  remove(`${path}/:key`, {
    ...capped,
    status: 204,
    run: async (ctx) => {
      await edit(ctx, (now) => {
        if (!Object.hasOwn(now, keyOf(ctx))) throw notFound('Invalid metadata key')
        return Object.fromEntries(Object.entries(now).filter(([key]) => key !== keyOf(ctx)))
      })
    },
  }),
]
