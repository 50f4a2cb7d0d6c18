/** `PATCH /v2/images/{id}`: JSON patch over the writable part of an image, all of it or nothing. */
import { parseJson } from '@kilonova/base/http/json.ts'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { parsed } from '../../openstack/body.ts'
import type { Caller } from '../../openstack/caller.ts'
import { badRequest, conflict, Fault } from '../../openstack/fault.ts'
import { strings } from '../../openstack/json-column.ts'
import { withCaller } from '../../openstack/token-check.ts'
import { changeableImage, visibleImage, type ImageContext } from '../context.ts'
import { mustBeAllowed, mustBeWritable, parseDocument } from '../document.ts'
import { writeProperties, writeTags, type Image } from '../store/images.ts'
import { imageView } from '../view.ts'

const LATEST = 'application/openstack-images-v2.1-json-patch'
const OLD = 'application/openstack-images-v2.0-json-patch'
const MEDIA_TYPES = [LATEST, OLD]

const path = z.string().startsWith('/').max(300)
const value = z.unknown().optional()
const operations = z.array(z.strictObject({ op: z.enum(['add', 'replace', 'remove']), path, value }))
/** `{"replace": "/name", "value": …}`: the kind is the path's key. */
const oldOperations = z.array(
  z.union([
    z.strictObject({ add: path, value }).transform(({ add, value }) => ({ op: 'add', path: add, value }) as const),
    z
      .strictObject({ replace: path, value })
      .transform(({ replace, value }) => ({ op: 'replace', path: replace, value }) as const),
    z.strictObject({ remove: path }).transform(({ remove }) => ({ op: 'remove', path: remove }) as const),
  ]),
)

type Change = { readonly op: 'add' | 'replace' | 'remove'; readonly path: string; readonly value?: unknown }

const BASE = ['name', 'visibility', 'disk_format', 'container_format', 'min_disk', 'min_ram', 'owner'] as const
const FIXED = new Set<string>([...BASE, 'protected', 'os_hidden', 'tags'])

const documentOf = (image: Image): Map<string, unknown> =>
  new Map<string, unknown>([
    ...Object.entries(JSON.parse(image.properties) as Record<string, string>),
    ...BASE.map((name) => [name, image[name]] as const),
    ['protected', image.protected === 1],
    ['os_hidden', image.os_hidden === 1],
    ['tags', strings(image.tags)],
  ])

function apply(document: Map<string, unknown>, { op, path, value }: Change): void {
  const name = path.slice(1).replaceAll('~1', '/').replaceAll('~0', '~')
  if (path.slice(1).includes('/')) throw badRequest(`The path ${path} leads to nothing that can be changed.`)
  mustBeWritable(name)
  if (op === 'add') document.set(name, value)
  else if (!document.has(name)) throw conflict(`The property ${name} does not exist.`)
  else if (op === 'replace') document.set(name, value)
  else if (FIXED.has(name)) throw new Fault(403, `Property '${name}' may not be removed.`)
  else document.delete(name)
}

export function patchRoutes(app: FastifyInstance, ctx: ImageContext): void {
  app.addContentTypeParser(MEDIA_TYPES, { parseAs: 'string' }, (_request, text, done) => {
    try {
      done(null, parseJson(text.toString()))
    } catch (cause) {
      done(new Fault(400, 'The request body is not valid JSON.', { cause }))
    }
  })

  app.patch(
    '/v2/images/:id',
    withCaller(ctx.check, async (caller, request) => {
      const [type = ''] = (request.headers['content-type'] ?? '').split(';')
      if (!MEDIA_TYPES.includes(type)) throw new Fault(415, `Send ${LATEST}.`)
      const { id } = request.params as { id: string }
      // What is patched is what is read: one at a time.
      return ctx.content.locked(`image ${id}`, () =>
        patched(ctx, caller, id, parsed(type === OLD ? oldOperations : operations, request.body)),
      )
    }),
  )
}

async function patched(ctx: ImageContext, caller: Caller, id: string, changes: readonly Change[]) {
  const { kysely } = ctx.database
  const image = await changeableImage(ctx, caller, id)
  const document = documentOf(image)
  for (const operation of changes) apply(document, operation)
  const { base, owner, tags, properties } = parseDocument(Object.fromEntries(document))
  mustBeAllowed(caller, image.visibility, {
    base,
    owner: owner === image.owner ? undefined : owner,
    tags,
    properties,
  })
  if (
    image.status !== 'queued' &&
    (base.disk_format !== image.disk_format || base.container_format !== image.container_format)
  )
    throw new Fault(403, `Attributes disk_format and container_format can not be replaced on a non-queued image.`)
  await kysely.transaction().execute(async (tx) => {
    await tx
      .updateTable('images')
      .set({
        ...base,
        protected: Number(base.protected),
        os_hidden: Number(base.os_hidden),
        owner: owner ?? image.owner,
        updated_at: ctx.clock.now(),
      })
      .where('id', '=', id)
      .execute()
    await writeTags(tx, id, tags)
    await writeProperties(tx, id, properties)
  })
  return imageView(await visibleImage(ctx, caller, id))
}
