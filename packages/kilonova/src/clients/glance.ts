/** Images: what one is, and its bytes. Upstream: Glance v2. */
import { getHashes, hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import type { Clock } from '@kilonova/base/clock.ts'
import { download, exchange, HttpUnreachableError } from '@kilonova/base/http/client.ts'
import { NovaError } from '../domain/errors.ts'
import { serviceOf } from './as-us.ts'
import { kept } from './kept.ts'
import type { Keystone } from './keystone.ts'
import { refused, unavailable, words } from './service.ts'

export interface ImageFacts {
  readonly id: string
  readonly name: string
  readonly status: string
  readonly diskFormat: string
  readonly containerFormat: string
  readonly minDiskGb: number
  readonly minRamMb: number
  readonly sizeBytes: number
  /** Of the disk inside, where the service knows it. */
  readonly virtualSizeBytes: number | null
  readonly hashAlgorithm: string
  readonly hash: string
  /** All custom properties, as text. */
  readonly properties: Readonly<Record<string, string>>
}

export interface Glance {
  /** Seen with the user's token, or with ours when none is given. Undefined: there is none, or it is not theirs to see. Errors: NovaError ServiceUnavailable, ServiceRefused. */
  show(id: string, token?: string): Promise<ImageFacts | undefined>
  /** The bytes, with our token. Undefined: the image is gone. */
  download(id: string, signal?: AbortSignal): Promise<IncomingMessage | undefined>
  /** Makes an image that has no content yet; one of this id that is there stays as it is. Errors: NovaError ImageForbidden, ServiceRefused. */
  create(image: NewImage, token?: string): Promise<void>
  /** Gives it its content, with our token. Errors: NovaError ServiceRefused, ServiceUnavailable. */
  upload(id: string, content: Readable, signal?: AbortSignal): Promise<void>
  /** Succeeds when it is gone already. Errors: NovaError ServiceRefused (it is protected). */
  remove(id: string, token?: string): Promise<void>
  /** The ids of images with all these properties, newest first. */
  withProperties(owner: string, properties: Readonly<Record<string, string>>): Promise<readonly string[]>
  /** As clients are told it. */
  urlOf(id: string): Promise<string>
}

export interface NewImage {
  readonly id: string
  readonly name: string
  /** Whose it is: with our token alone, a user's images are the user's. */
  readonly owner?: string
  readonly visibility: 'private' | 'shared'
  readonly diskFormat: string
  readonly minDiskGb: number
  readonly minRamMb: number
  readonly properties: Readonly<Record<string, string>>
}

export interface GlanceOptions {
  /** Instead of what the catalog says. */
  readonly endpoint: string | undefined
  readonly clock: Clock
}

const IMAGE = 'image'
const KEPT_MS = 1_000
const MAX_KEPT = 2_000
/** How long the service may be silent while it takes a content in. */
const UPLOAD_MS = 10 * 60_000
const MOST_FOUND = 1_000

export function glance(keystone: Keystone, { endpoint, clock }: GlanceOptions): Glance {
  const service = serviceOf(keystone, { type: IMAGE, endpoint })
  // An image that is not there or not ready yet may be so the next moment.
  const images = kept<ImageFacts | undefined>(clock, (image) => (image?.status === 'active' ? KEPT_MS : 0), MAX_KEPT)

  async function look(id: string, token?: string): Promise<ImageFacts | undefined> {
    const answer = await service.request('GET', `/v2/images/${encodeURIComponent(id)}`, token)
    if (answer.status === 404 || answer.status === 400) return undefined
    if (answer.status !== 200) throw refused(IMAGE, answer)
    return factsOf(answer.body as ImageBody)
  }

  async function fetch(id: string, signal?: AbortSignal): Promise<IncomingMessage> {
    const headers = { 'x-auth-token': await keystone.serviceToken(), accept: 'application/octet-stream' }
    const url = `${await service.url()}/v2/images/${encodeURIComponent(id)}/file`
    return download({ method: 'GET', url, headers, ...(signal ? { signal } : {}) }).catch((error: unknown) => {
      if (error instanceof HttpUnreachableError) throw unavailable(IMAGE, error)
      throw error
    })
  }

  return {
    show: (id, token) => images.get(token === undefined ? id : `${id}/${hash('sha256', token)}`, () => look(id, token)),
    download: async (id, signal) => {
      let message = await fetch(id, signal)
      if (message.statusCode === 401) {
        message.destroy()
        keystone.forgetServiceToken(await keystone.serviceToken())
        message = await fetch(id, signal)
      }
      const status = message.statusCode ?? 0
      if (status === 200) return message
      message.destroy()
      if (status === 404 || status === 204) return undefined
      if (status >= 500) throw unavailable(IMAGE, `it answered ${status}`)
      throw refused(IMAGE, { status, headers: message.headers, body: undefined })
    },
    create: async (image, token) => {
      const answer = await service.request('POST', '/v2/images', token, documentOf(image))
      if (answer.status < 300 || answer.status === 409) return
      if (answer.status === 403 || answer.status === 413)
        throw new NovaError('ImageForbidden', { reason: words(answer.body) || 'the image service forbids it' })
      throw refused(IMAGE, answer)
    },
    upload: async (id, content, signal) => {
      // The content can be sent once only, so the token must be good: the service is asked first.
      const path = `/v2/images/${encodeURIComponent(id)}`
      await service.request('GET', path)
      const answer = await exchange({
        method: 'PUT',
        url: `${await service.url()}${path}/file`,
        headers: { 'x-auth-token': await keystone.serviceToken(), 'content-type': 'application/octet-stream' },
        stream: content,
        timeoutMs: UPLOAD_MS,
        ...(signal ? { signal } : {}),
      }).catch((error: unknown) => {
        if (error instanceof HttpUnreachableError) throw unavailable(IMAGE, error)
        throw error
      })
      if (answer.status >= 500) throw unavailable(IMAGE, `it answered ${answer.status} ${words(answer.body)}`)
      if (answer.status >= 300) throw refused(IMAGE, answer)
    },
    remove: async (id, token) => {
      const answer = await service.request('DELETE', `/v2/images/${encodeURIComponent(id)}`, token)
      if (answer.status >= 300 && answer.status !== 404 && answer.status !== 410) throw refused(IMAGE, answer)
    },
    withProperties: async (owner, properties) => {
      const query = new URLSearchParams({ owner, ...properties, sort: 'created_at:desc', limit: String(MOST_FOUND) })
      const answer = await service.request('GET', `/v2/images?${query.toString()}`)
      if (answer.status !== 200) throw refused(IMAGE, answer)
      return (answer.body as { readonly images: readonly ImageBody[] }).images.map(({ id }) => id)
    },
    urlOf: async (id) => `${await service.url()}/images/${id}`,
  }
}

interface ImageBody {
  readonly [key: string]: unknown
  readonly id: string
  readonly name?: string | null
  readonly status: string
}

/** What Glance itself says of an image; all other keys are properties. */
const CORE = new Set([
  'id',
  'name',
  'status',
  'visibility',
  'protected',
  'os_hidden',
  'checksum',
  'os_hash_algo',
  'os_hash_value',
  'owner',
  'size',
  'virtual_size',
  'container_format',
  'disk_format',
  'min_disk',
  'min_ram',
  'created_at',
  'updated_at',
  'tags',
  'self',
  'file',
  'schema',
  'locations',
  'direct_url',
  'stores',
])

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const number = (value: unknown): number => (typeof value === 'number' ? value : 0)

/** Where Glance's word for an algorithm, which is Python's, is not OpenSSL's. */
const PYTHON_NAMES: Readonly<Record<string, string>> = { blake2b: 'blake2b512', blake2s: 'blake2s256' }
const HASHES: ReadonlySet<string> = new Set(getHashes().map((name) => name.toLowerCase()))

/** As hosts can check it: the new hash, or MD5 for images from before there was one and for algorithms that nobody here knows. */
function checksumOf(body: ImageBody): Pick<ImageFacts, 'hashAlgorithm' | 'hash'> {
  const name = text(body['os_hash_algo']).toLowerCase()
  const hashAlgorithm = PYTHON_NAMES[name] ?? name.replace(/^(sha3|sha512)_/, '$1-')
  const value = text(body['os_hash_value'])
  return value !== '' && HASHES.has(hashAlgorithm)
    ? { hashAlgorithm, hash: value }
    : { hashAlgorithm: 'md5', hash: text(body['checksum']) }
}

const documentOf = ({ owner, diskFormat, minDiskGb, minRamMb, properties, ...image }: NewImage) => ({
  ...properties,
  ...image,
  ...(owner === undefined ? {} : { owner }),
  disk_format: diskFormat,
  container_format: 'bare',
  min_disk: minDiskGb,
  min_ram: minRamMb,
})

function factsOf(body: ImageBody): ImageFacts {
  const properties = Object.entries(body).filter(
    ([name, value]) => !CORE.has(name) && value !== null && value !== undefined,
  )
  return {
    id: body.id,
    name: body.name ?? '',
    status: body.status,
    diskFormat: text(body['disk_format']),
    containerFormat: text(body['container_format']),
    minDiskGb: number(body['min_disk']),
    minRamMb: number(body['min_ram']),
    sizeBytes: number(body['size']),
    virtualSizeBytes: typeof body['virtual_size'] === 'number' ? body['virtual_size'] : null,
    ...checksumOf(body),
    properties: Object.fromEntries(
      properties.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
    ),
  }
}
