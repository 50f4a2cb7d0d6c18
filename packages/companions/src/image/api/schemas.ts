/** `/v2/schemas`: what images, members, tasks and lists of them look like, as JSON schema. */
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
    status: {
      ...fixed('string'),
      enum: ['queued', 'saving', 'uploading', 'importing', 'active', 'deactivated', 'deleted'],
    },
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

const uuid = image.properties.id
const member = {
  name: 'member',
  properties: {
    created_at: { type: 'string' },
    image_id: uuid,
    member_id: { type: 'string' },
    schema: { type: 'string' },
    status: { type: 'string', enum: ['pending', 'accepted', 'rejected'] },
    updated_at: { type: 'string' },
  },
}

const task = {
  name: 'task',
  properties: {
    id: uuid,
    type: { type: 'string', enum: ['import', 'api_image_import'] },
    status: { type: 'string', enum: ['pending', 'processing', 'success', 'failure'] },
    input: { type: ['null', 'object'] },
    result: { type: ['null', 'object'] },
    owner: { type: 'string' },
    message: { type: 'string' },
    image_id: { type: 'string' },
    request_id: { type: 'string' },
    user_id: { type: 'string' },
    expires_at: { type: ['null', 'string'] },
    created_at: { type: 'string' },
    updated_at: { type: 'string' },
    self: fixed('string'),
    schema: fixed('string'),
  },
}

const listOf = (item: { readonly name: string }, more: Readonly<Record<string, unknown>> = {}) => ({
  name: `${item.name}s`,
  properties: { [`${item.name}s`]: { type: 'array', items: item }, schema: { type: 'string' }, ...more },
})

const SCHEMAS: Readonly<Record<string, unknown>> = {
  image,
  images,
  member,
  members: listOf(member),
  task,
  tasks: listOf(task, { first: { type: 'string' }, next: { type: 'string' } }),
}

export function schemaRoutes(app: FastifyInstance, ctx: ImageContext): void {
  for (const [name, schema] of Object.entries(SCHEMAS))
    app.get(
      `/v2/schemas/${name}`,
      withCaller(ctx.check, () => schema),
    )
}
