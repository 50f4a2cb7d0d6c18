/** Images as the image service writes them, asked in the user's name. */
import type { Ctx } from './context.ts'
import { foreseeing, type Foreseen } from './refused.ts'

export interface ImageBody {
  readonly [key: string]: unknown
  readonly id: string
  readonly name?: string | null
  readonly status: string
  readonly size?: number | null
  readonly min_ram?: number
  readonly min_disk?: number
  readonly created_at?: string
  readonly updated_at?: string
}

/** What the service itself says of an image; all other keys are properties. */
const CORE = new Set(
  `id name status visibility protected os_hidden checksum os_hash_algo os_hash_value owner size virtual_size container_format disk_format
  min_disk min_ram created_at updated_at tags self file schema locations direct_url stores`.split(/\s+/),
)
export const propertiesOf = (image: ImageBody): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(image).filter(([key, value]) => !CORE.has(key) && value !== null))

const NOT_FOUND = 'Image not found.'
const path = (id: string): string => `/v2/images/${encodeURIComponent(id)}`
const PATCH_TYPE = 'application/openstack-images-v2.1-json-patch'
const pointer = (key: string): string => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`

/** Errors of all: 404, 403; ServiceUnavailable. */
export const imageService = ({ neighbours: { image }, caller: { token } }: Ctx) => {
  const told = <T>(work: Promise<unknown>, more: Foreseen = {}): Promise<T> =>
    foreseeing({ 404: [404, NOT_FOUND], ...more }, work) as Promise<T>
  return {
    list: async (query: URLSearchParams): Promise<readonly ImageBody[]> => {
      const { images } = await told<{ images: readonly ImageBody[] }>(
        image.ask('GET', `/v2/images?${query.toString()}`, token),
        { 400: 400 },
      )
      return images
    },
    // An id that cannot be one names no image.
    show: (id: string): Promise<ImageBody> =>
      told<ImageBody>(image.ask('GET', path(id), token), { 400: [404, NOT_FOUND] }),
    remove: (id: string): Promise<void> =>
      told<void>(image.ask('DELETE', path(id), token), {
        403: [403, 'You are not allowed to delete the image.'],
        400: [404, NOT_FOUND],
      }),
    /** Its properties are these from now on. */
    setProperties: async (before: ImageBody, wanted: Readonly<Record<string, unknown>>): Promise<void> => {
      const now = propertiesOf(before)
      const changes = [
        ...Object.keys(now).flatMap((key) => (key in wanted ? [] : [{ op: 'remove', path: pointer(key) }])),
        ...Object.entries(wanted).flatMap(([key, value]) =>
          now[key] === value ? [] : [{ op: 'add', path: pointer(key), value }],
        ),
      ]
      if (changes.length === 0) return
      const more = { headers: { 'content-type': PATCH_TYPE } }
      await told(image.ask('PATCH', path(before.id), token, changes, more), { 400: 400, 409: 403, 413: 403 })
    },
    url: () => image.url(),
  }
}
