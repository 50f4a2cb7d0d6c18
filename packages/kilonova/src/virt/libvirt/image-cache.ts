/**
 * Cached images, by content: `_base/<hash>`. A file is there whole or not at all: it is written beside, checked, and renamed.
 * Many waiters share one download; it is given up when the last of them is.
 */
import { mkdir, readdir, rename, rm, stat, statfs, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '@kilonova/base/clock.ts'
import type { DiskSpec, ImageTicket } from '../driver.ts'
import { HostError } from '../host-error.ts'
import { download } from './download.ts'
import { baseFolder } from './files.ts'
import { readQcow2Header, type Qcow2Header } from './qcow2.ts'

export interface CachedImage {
  readonly path: string
  readonly format: string
  readonly virtualBytes: number
}

export interface ImageCache {
  fetch(ticket: ImageTicket, progress: (percent: number) => void, signal: AbortSignal): Promise<void>
  /** Undefined when it is not cached. Counts as a use. */
  find(image: DiskSpec['image']): Promise<CachedImage | undefined>
  removeUnused(minimumAgeSeconds: number, isUsed: (path: string) => boolean): Promise<number>
}

interface Download {
  readonly done: Promise<void>
  readonly abort: AbortController
  readonly listeners: Set<(percent: number) => void>
}

const PARTIAL = '.part'
const FORMATS: ReadonlySet<string> = new Set(['qcow2', 'raw', 'iso'])

export async function openImageCache(instancesDir: string, host: string, clock: Clock): Promise<ImageCache> {
  const folder = baseFolder(instancesDir)
  // Reached by name alone: only who knows an image's content knows its name.
  await mkdir(folder, { recursive: true, mode: 0o711 })
  // Nobody writes them any more: one agent owns this folder.
  for (const name of await readdir(folder)) if (name.endsWith(PARTIAL)) await rm(join(folder, name))
  const running = new Map<string, Download>()

  /** The hash becomes a file's name. */
  function pathOf({ hashAlgorithm, hash }: DiskSpec['image']): string {
    if (!/^[0-9a-z]{1,16}$/i.test(hashAlgorithm) || !/^[0-9a-f]{8,128}$/i.test(hash))
      throw new HostError('ImageDamaged', 'the image has no usable checksum')
    return join(folder, hash.toLowerCase())
  }

  async function bring(
    ticket: ImageTicket,
    path: string,
    progress: (percent: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const partial = `${path}${PARTIAL}`
    try {
      const { bavail, bsize } = await statfs(folder)
      if (bavail * bsize < ticket.sizeBytes) throw full(ticket)
      await download(ticket, partial, progress, signal)
      await inspect(ticket, partial)
      await rename(partial, path)
    } catch (error) {
      await rm(partial, { force: true })
      throw error instanceof HostError && error.name === 'DiskFull' ? full(ticket, error) : error
    }
  }
  const full = ({ imageId, sizeBytes }: ImageTicket, cause?: Error): HostError =>
    new HostError(
      'DiskFull',
      `the disk of host ${host} is full: image ${imageId} (${Math.ceil(sizeBytes / 1024 ** 2)} MiB) does not fit`,
      { cause },
    )

  function shareDownload(ticket: ImageTicket, path: string): Download {
    const found = running.get(path)
    if (found) return found
    const abort = new AbortController()
    const listeners = new Set<(percent: number) => void>()
    const tell = (percent: number): void => {
      for (const listener of listeners) listener(percent)
    }
    const done = bring(ticket, path, tell, abort.signal).finally(() => running.delete(path))
    const started = { done, abort, listeners }
    running.set(path, started)
    return started
  }

  return {
    fetch: async (ticket, progress, signal) => {
      signal.throwIfAborted()
      if (!FORMATS.has(ticket.diskFormat))
        throw new HostError(
          'ImageUnsupported',
          `image ${ticket.imageId} has disk format ${ticket.diskFormat}: this host runs ${[...FORMATS].join(', ')}`,
        )
      const path = pathOf(ticket)
      if (await touched(path, clock)) {
        await inspect(ticket, path)
        return progress(100)
      }
      signal.throwIfAborted()
      // One that is being given up cannot be joined: it is waited for, so that the next one finds its file gone.
      for (let ending = running.get(path); ending?.abort.signal.aborted; ending = running.get(path))
        await ending.done.catch(() => {})
      const shared = shareDownload(ticket, path)
      shared.listeners.add(progress)
      const { promise: given, reject } = Promise.withResolvers<never>()
      const giveUp = (): void => {
        shared.listeners.delete(progress)
        if (shared.listeners.size === 0) shared.abort.abort(signal.reason)
        else reject(signal.reason as Error)
      }
      signal.addEventListener('abort', giveUp)
      try {
        // The last to give up waits until nothing of the download is left.
        await Promise.race([shared.done, given])
        await inspect(ticket, path)
        progress(100)
      } finally {
        signal.removeEventListener('abort', giveUp)
        shared.listeners.delete(progress)
      }
    },
    find: async (image) => {
      const path = pathOf(image)
      if (!(await touched(path, clock))) return undefined
      const header = await inspect(image, path)
      const { size } = await stat(path)
      return { path, format: header ? 'qcow2' : 'raw', virtualBytes: header?.virtualBytes ?? size }
    },
    removeUnused: async (minimumAgeSeconds, isUsed) => {
      let removed = 0
      for (const name of await readdir(folder)) {
        const path = join(folder, name)
        if (name.endsWith(PARTIAL) || isUsed(path)) continue
        const { mtimeMs } = await stat(path)
        if (mtimeMs > clock.now() - minimumAgeSeconds * 1000) continue
        await rm(path)
        removed++
      }
      return removed
    },
  }
}

/** Notes a use by the file's time; false when there is no such file. */
async function touched(path: string, clock: Clock): Promise<boolean> {
  const now = clock.now() / 1000
  try {
    await utimes(path, now, now)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}

/**
 * What a user gives us must not make QEMU read other files of the host. Asked for each use, not each download: the same bytes
 * may have come in as another format, which nobody looks into. Undefined: it has no header of its own.
 */
async function inspect(
  { imageId, diskFormat }: Pick<ImageTicket, 'imageId' | 'diskFormat'>,
  path: string,
): Promise<Qcow2Header | undefined> {
  if (diskFormat !== 'qcow2') return undefined
  const header = await readQcow2Header(path)
  if (!header) throw new HostError('ImageUnsupported', `image ${imageId} is said to be qcow2, but is not`)
  if (header.backingFile !== null || header.hasExternalData)
    throw new HostError('ImageUnsupported', `image ${imageId} refers to another file, which is not allowed`)
  return header
}
