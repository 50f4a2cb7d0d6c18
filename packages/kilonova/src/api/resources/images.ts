/** Images, proxied until 2.35. Upstream: nova/api/openstack/compute/images.py. */
import { z } from 'zod'
import type { At, Ctx } from '../context.ts'
import { digits, once } from '../fields.ts'
import { imageService, propertiesOf, type ImageBody } from '../image-service.ts'
import { fullPage, get, pageOf, remove, selfLinks, view, wrapped } from '../resource.ts'

interface Shown {
  readonly image: ImageBody
  /** Of the image service. */
  readonly url: string
}

const STATUS: Readonly<Record<string, string>> = {
  active: 'ACTIVE',
  queued: 'SAVING',
  saving: 'SAVING',
  deleted: 'DELETED',
  pending_delete: 'DELETED',
  killed: 'ERROR',
}
const PROGRESS: Readonly<Record<string, number>> = { queued: 25, saving: 50, active: 100 }
const YES = new Set(['1', 't', 'true', 'on', 'y', 'yes'])

const links = ({ image: { id }, url }: Shown, at: At) => [
  ...selfLinks(at, 'images', id),
  { rel: 'alternate', type: 'application/vnd.openstack.image', href: `${url}/images/${id}` },
]
const brief = view<Shown>({ id: ({ image }) => image.id, name: ({ image }) => image.name, links })
const full = view<Shown>({
  id: ({ image }) => image.id,
  name: ({ image }) => image.name,
  minRam: ({ image }) => image.min_ram ?? 0,
  minDisk: ({ image }) => image.min_disk ?? 0,
  metadata: ({ image }) => propertiesOf(image),
  created: ({ image }) => image.created_at,
  updated: ({ image }) => image.updated_at,
  status: ({ image }) => STATUS[image.status] ?? 'UNKNOWN',
  progress: ({ image }) => PROGRESS[image.status] ?? 0,
  'OS-EXT-IMG-SIZE:size': ({ image }) => image.size ?? null,
  server: ({ image }, at) => {
    const id = image['instance_uuid']
    return typeof id === 'string' ? { id, links: selfLinks(at, 'servers', id) } : undefined
  },
  'OS-DCF:diskConfig': ({ image }) => {
    const said = image['auto_disk_config']
    if (said === undefined || said === null) return undefined
    return YES.has(String(said).toLowerCase()) ? 'AUTO' : 'MANUAL'
  },
  links,
})

/** The words of the query that the image service knows, under its own names. */
const FILTERS: Readonly<Record<string, string>> = {
  name: 'name',
  status: 'status',
  server: 'instance_uuid',
  type: 'image_type',
  minRam: 'min_ram',
  minDisk: 'min_disk',
}
const PROPERTY = 'property-'
const query = z.looseObject({ limit: once(digits), marker: once(z.string()) })

function asked({ limit: _limit, marker, ...words }: z.output<typeof query>, limit: number): URLSearchParams {
  const params = new URLSearchParams({ limit: String(limit) })
  if (marker !== undefined) params.set('marker', marker)
  for (const [word, given] of Object.entries(words)) {
    const value = String(Array.isArray(given) ? given.at(-1) : given)
    const name = word.startsWith(PROPERTY) ? word.slice(PROPERTY.length) : FILTERS[word]
    if (word === 'changes-since') params.set('updated_at', `gte:${value}`)
    // A server may be named by its URL.
    else if (word === 'server') params.set('instance_uuid', value.split('/').at(-1) ?? '')
    else if (name !== undefined) params.set(name, name === 'status' ? value.toLowerCase() : value)
  }
  return params
}

async function list(ctx: Ctx, words: z.output<typeof query>) {
  const { list: images, url } = imageService(ctx)
  const limit = Math.min(words.limit || ctx.config.api.max_limit, ctx.config.api.max_limit)
  const [found, at] = [await images(asked(words, limit)), await url()]
  const page = fullPage(found, limit, ({ id }) => id)
  return { items: page.items.map((image) => ({ image, url: at })), next: page.next }
}

const until = '2.35' as const
const idOf = ({ params }: Ctx): string => params['id'] ?? ''

export const images = [
  get('/images', {
    until,
    policy: 'none',
    query,
    run: (ctx, { query: words }) => list(ctx, words),
    view: pageOf('images', brief),
  }),
  get('/images/detail', {
    until,
    policy: 'none',
    query,
    run: (ctx, { query: words }) => list(ctx, words),
    view: pageOf('images', full),
  }),
  get('/images/:id', {
    until,
    policy: 'none',
    run: async (ctx) => ({ image: await imageService(ctx).show(idOf(ctx)), url: await imageService(ctx).url() }),
    view: wrapped('image', full),
  }),
  remove('/images/:id', {
    until,
    policy: 'none',
    status: 204,
    run: (ctx) => imageService(ctx).remove(idOf(ctx)),
  }),
]
