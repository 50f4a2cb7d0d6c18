/** What the battery's world is asked for and what is counted in it; and its one image. */
import { buffer } from 'node:stream/consumers'
import { NovaError } from '@kilonova/kilonova/domain/errors.ts'
import type { Glance, ImageFacts } from '@kilonova/kilonova/clients/glance.ts'

const IMAGE_ID = '0b0e5a8e-6c8e-4c52-9d0e-000000000001'
export const image = {
  id: IMAGE_ID,
  name: 'demo',
  diskFormat: 'qcow2',
  minDiskGb: 0,
  minRamMb: 0,
  sizeBytes: 1_000_000,
  properties: {},
}

const facts = {
  ...image,
  status: 'active',
  containerFormat: 'bare',
  virtualSizeBytes: null,
  hashAlgorithm: 'sha512',
  hash: 'abc',
} satisfies ImageFacts

/** Holds what servers' images are made into, beside the one that all boot from. */
export function imageService(): { readonly glance: Glance; readonly images: ReadonlyMap<string, ImageFacts> } {
  const images = new Map<string, ImageFacts>([[IMAGE_ID, facts]])
  const glance: Glance = {
    show: async (id) => images.get(id),
    download: async () => undefined,
    create: async ({ id, name, properties }) => {
      if (!images.has(id)) images.set(id, { ...facts, id, name, properties, status: 'queued' })
    },
    upload: async (id, content) => {
      await buffer(content)
      const found = images.get(id)
      if (!found || found.status !== 'queued')
        throw new NovaError('ServiceRefused', { service: 'image', reason: `image ${id} takes no content` })
      images.set(id, { ...found, status: 'active' })
    },
    remove: async (id) => void images.delete(id),
    withProperties: async (_owner, wanted) =>
      [...images.values()]
        .filter(({ properties }) =>
          Object.entries(wanted).every(([key, value]) => (properties as Record<string, string>)[key] === value),
        )
        .map(({ id }) => id)
        .toReversed(),
    urlOf: async (id) => id,
  }
  return { glance, images }
}
/** Everything that a server may leave behind, counted where it is, and what its row says. */
export interface Counts {
  readonly guests: readonly string[]
  readonly disks: number
  readonly configDrives: number
  /** Memories of suspended guests. */
  readonly memories: number
  /** Copies of disks on the hosts. */
  readonly snapshots: number
  /** Network cards of guests. */
  readonly cards: number
  /** In the image service. */
  readonly images: number
  readonly plugged: number
  readonly ports: number
  readonly boundPorts: number
  readonly allocations: number
  readonly owed: number
  readonly unfinished: number
  readonly held: number
}
export interface Standing {
  readonly vmState: string
  readonly taskState: string | null
  readonly powerState: string
  readonly placed: boolean
}

export interface Asked {
  readonly serverId: string
  readonly taskId: string
}
