/** The part of an image that its owner writes, checked alike when it is created and when it is patched. */
import { z } from 'zod'
import { privileged, type Caller } from '../openstack/caller.ts'
import { parsed } from '../openstack/body.ts'
import { Fault, forbidden } from '../openstack/fault.ts'
import { notAuthorized } from './errors.ts'

export const DISK_FORMATS = ['ami', 'ari', 'aki', 'vhd', 'vhdx', 'vmdk', 'raw', 'qcow2', 'vdi', 'ploop', 'iso'] as const
export const CONTAINER_FORMATS = ['ami', 'ari', 'aki', 'bare', 'ovf', 'ova', 'docker', 'compressed'] as const
const MAX_PROPERTIES = 128
export const MAX_TAGS = 128

const text = z.string().max(255)
const schema = z
  .object({
    name: text.nullable().default(null),
    visibility: z.enum(['public', 'community', 'shared', 'private']).default('shared'),
    protected: z.boolean().default(false),
    os_hidden: z.boolean().default(false),
    disk_format: z.enum(DISK_FORMATS).nullable().default(null),
    container_format: z.enum(CONTAINER_FORMATS).nullable().default(null),
    min_disk: z.int().min(0).max(2_147_483_647).default(0),
    min_ram: z.int().min(0).max(2_147_483_647).default(0),
    owner: text.optional(),
    tags: z.array(text).default([]),
  })
  .catchall(z.string().max(65_535))

type Parsed = z.output<typeof schema>
export interface ImageDocument {
  readonly base: Pick<
    Parsed,
    'name' | 'visibility' | 'protected' | 'os_hidden' | 'disk_format' | 'container_format' | 'min_disk' | 'min_ram'
  >
  readonly owner: string | undefined
  readonly tags: readonly string[]
  readonly properties: Readonly<Record<string, string>>
}

const READ_ONLY = new Set([
  'id', 'status', 'size', 'virtual_size', 'checksum', 'os_hash_algo', 'os_hash_value', 'created_at', 'updated_at',
  'self', 'file', 'schema', 'direct_url', 'stores',
]) // prettier-ignore
const RESERVED = new Set(['deleted', 'deleted_at', 'locations', 'is_public', 'location', 'upload_id'])

/** Errors: 403 for what the service writes itself. */
export function mustBeWritable(name: string): void {
  if (READ_ONLY.has(name)) throw forbidden(`Attribute '${name}' is read-only.`)
  if (RESERVED.has(name) || name.startsWith('os_glance_')) throw forbidden(`Attribute '${name}' is reserved.`)
}

/** Errors: 400, 403. */
export function parseDocument(raw: Readonly<Record<string, unknown>>): ImageDocument {
  const { owner, tags, ...rest } = parsed(schema, raw)
  const { name, visibility, disk_format, container_format, min_disk, min_ram, os_hidden, ...other } = rest
  const { protected: isProtected, ...properties } = other
  if (Object.keys(properties).length > MAX_PROPERTIES)
    throw new Fault(413, `An image may have at most ${MAX_PROPERTIES} properties.`)
  if (new Set(tags).size > MAX_TAGS) throw new Fault(413, `An image may have at most ${MAX_TAGS} tags.`)
  for (const key of Object.keys(properties)) parsed(text.min(1), key)
  return {
    base: { name, visibility, protected: isProtected, os_hidden, disk_format, container_format, min_disk, min_ram },
    owner,
    tags,
    properties,
  }
}

/** What an image's owner may not decide alone. Errors: 403. */
export function mustBeAllowed(caller: Caller, before: string | undefined, { base, owner }: ImageDocument): void {
  if (base.visibility === 'public' && before !== 'public' && !caller.admin) throw notAuthorized('publicize_image')
  if (owner !== undefined && owner !== caller.projectId && !privileged(caller)) throw notAuthorized('modify_image')
}
