/** `/v2/schemas`: what an image and a list of images look like, as JSON schema. */
import type { FastifyInstance } from 'fastify'
import { withCaller } from '../../openstack/token-check.ts'
import type { ImageContext } from '../context.ts'
import { CONTAINER_FORMATS, DISK_FORMATS } from '../document.ts'

const text = { type: ['null', 'string'], maxLength: 255 }
const fixed = (type: string | readonly string[]) => ({ type, readOnly: true })

const image = {
  name: 'image',
  properties: {
    id: {
      type: 'string',
      pattern: '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$',
    },
    name: text,
    status: { ...fixed('string'), enum: ['queued', 'saving', 'active', 'deactivated', 'deleted'] },
    visibility: { type: 'string', enum: ['community', 'public', 'private', 'shared'] },
    protected: { type: 'boolean' },
    os_hidden: { type: 'boolean' },
    owner: text,
    disk_format: { type: ['null', 'string'], enum: [null, ...DISK_FORMATS] },
    container_format: { type: ['null', 'string'], enum: [null, ...CONTAINER_FORMATS] },
    min_disk: { type: 'integer', minimum: 0 },
    min_ram: { type: 'integer', minimum: 0 },
    size: fixed(['null', 'integer']),
    virtual_size: fixed(['null', 'integer']),
    checksum: { ...fixed(['null', 'string']), maxLength: 32 },
    os_hash_algo: { ...fixed(['null', 'string']), maxLength: 64 },
    os_hash_value: { ...fixed(['null', 'string']), maxLength: 128 },
    tags: { type: 'array', items: { type: 'string', maxLength: 255 } },
    created_at: fixed('string'),
    updated_at: fixed('string'),
    self: fixed('string'),
    file: fixed('string'),
    schema: fixed('string'),
  },
  additionalProperties: { type: 'string' },
  links: [
    { rel: 'self', href: '{self}' },
    { rel: 'enclosure', href: '{file}' },
    { rel: 'describedby', href: '{schema}' },
  ],
}

const images = {
  name: 'images',
  properties: {
    images: { type: 'array', items: image },
    first: { type: 'string' },
    next: { type: 'string' },
    schema: { type: 'string' },
  },
  links: [
    { rel: 'first', href: '{first}' },
    { rel: 'next', href: '{next}' },
    { rel: 'describedby', href: '{schema}' },
  ],
}

export function schemaRoutes(app: FastifyInstance, ctx: ImageContext): void {
  app.get(
    '/v2/schemas/image',
    withCaller(ctx.check, () => image),
  )
  app.get(
    '/v2/schemas/images',
    withCaller(ctx.check, () => images),
  )
}
