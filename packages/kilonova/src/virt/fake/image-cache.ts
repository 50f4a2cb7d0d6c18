/** The fake image cache: by content, one fetch for many waiting servers. It keeps facts, never bytes. */
import { createHash } from 'node:crypto'
import type { DiskSpec, ImageTicket } from '../driver.ts'
import { HostError } from '../host-error.ts'
import type { Clock } from '@kilonova/base/clock.ts'

interface Cached {
  readonly sizeBytes: number
  usedAt: number
}

export interface FakeImageCache {
  readonly size: number
  fetch(ticket: ImageTicket, progress: (percent: number) => void, signal: AbortSignal): Promise<void>
  use(image: DiskSpec['image']): Cached | undefined
  has(image: DiskSpec['image']): boolean
  lose(): void
  removeUnused(minimumAgeSeconds: number, isUsed: (key: string) => boolean): number
}

export const contentKey = ({ hashAlgorithm, hash }: DiskSpec['image']): string => `${hashAlgorithm}:${hash}`

async function download({ imageId, url, hashAlgorithm, hash }: ImageTicket, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { signal })
  if (!response.ok || !response.body)
    throw new HostError('ImageUnavailable', `image ${imageId}: HTTP ${response.status}`)
  const sum = createHash(hashAlgorithm)
  for await (const chunk of response.body) sum.update(chunk)
  if (sum.digest('hex') !== hash) throw new HostError('ImageDamaged', `image ${imageId} is not what was promised`)
}

export function fakeImageCache(clock: Clock, really: boolean): FakeImageCache {
  const cached = new Map<string, Cached>()
  const running = new Map<string, Promise<void>>()
  return {
    get size() {
      return cached.size
    },
    fetch: async (ticket, progress, signal) => {
      const key = contentKey(ticket)
      if (really && !cached.has(key)) {
        const work = running.get(key) ?? download(ticket, signal).finally(() => running.delete(key))
        running.set(key, work)
        await work
      }
      signal.throwIfAborted()
      const entry = cached.get(key)
      if (entry) entry.usedAt = clock.now()
      else cached.set(key, { sizeBytes: ticket.sizeBytes, usedAt: clock.now() })
      progress(100)
    },
    use: (image) => {
      const entry = cached.get(contentKey(image))
      if (entry) entry.usedAt = clock.now()
      return entry
    },
    has: (image) => cached.has(contentKey(image)),
    lose: () => cached.clear(),
    removeUnused: (minimumAgeSeconds, isUsed) => {
      const old = [...cached].filter(
        ([key, { usedAt }]) => usedAt <= clock.now() - minimumAgeSeconds * 1000 && !isUsed(key),
      )
      for (const [key] of old) cached.delete(key)
      return old.length
    },
  }
}
