/**
 * Cached images, by content and by what it is read as: `_base/<algorithm>-<hash>.<disk format>`; one of a format that guests do not run from is
 * kept as qcow2. A file is there whole or not at all: it is written beside, checked, looked into, and renamed. Many waiters share one download; it is given up when the last of them is.
 */
import { getHashes } from 'node:crypto'
import { chmod, chown, mkdir, open, readdir, rename, rm, stat, statfs, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '@kilonova/base/clock.ts'
import { bytesOfFile } from '@kilonova/disk-image/bytes.ts'
import { DEFAULT_LIMITS, type Limits } from '@kilonova/disk-image/finding.ts'
import { inspect } from '@kilonova/disk-image/inspect.ts'
import type { DiskSpec, ImageTicket } from '../driver.ts'
import { HostError } from '../host-error.ts'
import { CONVERTED, convertToQcow2 } from './convert.ts'
import { download } from './download.ts'
import { baseFolder } from './files.ts'

export interface CachedImage {
  readonly path: string
  readonly format: 'raw' | 'qcow2'
  /** Of the disk inside, as its own header says it. */
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
const FORMATS: ReadonlySet<string> = new Set(['qcow2', 'raw', 'iso', ...CONVERTED])
const HASHES: ReadonlySet<string> = new Set(getHashes().map((name) => name.toLowerCase()))

export interface ImageCacheOptions {
  readonly instancesDir: string
  readonly host: string
  readonly clock: Clock
  readonly limits?: Limits | undefined
  /** The group whose members may read cached images; without it only their owner may. */
  readonly readers?: number
}

export async function openImageCache(options: ImageCacheOptions): Promise<ImageCache> {
  const { instancesDir, host, clock, limits = DEFAULT_LIMITS, readers } = options
  const folder = baseFolder(instancesDir)
  const letRead = async (path: string): Promise<void> => {
    if (readers === undefined) return
    await chown(path, -1, readers)
    await chmod(path, 0o640)
  }
  // Reached by name alone: only who knows an image's content knows its name.
  await mkdir(folder, { recursive: true, mode: 0o711 })
  // Nobody writes them any more: one agent owns this folder.
  for (const name of await readdir(folder))
    if (name.endsWith(PARTIAL)) await rm(join(folder, name))
    else await letRead(join(folder, name))
  const running = new Map<string, Download>()

  /** Hash and format become a file's name. */
  function pathOf({ imageId, hashAlgorithm, hash, diskFormat }: DiskSpec['image']): string {
    const algorithm = hashAlgorithm.toLowerCase()
    if (!/^[0-9a-z-]{1,16}$/.test(algorithm) || !HASHES.has(algorithm) || !/^[0-9a-f]{8,128}$/i.test(hash))
      throw new HostError('ImageDamaged', `image ${imageId} has no checksum that can be checked`)
    if (!FORMATS.has(diskFormat))
      throw new HostError(
        'ImageUnsupported',
        `image ${imageId} has disk format ${diskFormat}: this host runs ${[...FORMATS].join(', ')}`,
      )
    return join(folder, `${algorithm}-${hash.toLowerCase()}.${diskFormat}`)
  }

  async function bring(
    ticket: ImageTicket,
    path: string,
    progress: (percent: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const partial = `${path}${PARTIAL}`
    const converted = `${path}.qcow2${PARTIAL}`
    try {
      const { bavail, bsize } = await statfs(folder)
      if (bavail * bsize < ticket.sizeBytes) throw full(ticket)
      await download(ticket, partial, progress, signal)
      const { virtualBytes } = await looked(ticket, ticket.diskFormat, partial, limits)
      if (CONVERTED.has(ticket.diskFormat)) {
        await convertToQcow2({ from: partial, format: ticket.diskFormat, to: converted, virtualBytes, signal })
        await looked(ticket, 'qcow2', converted, limits)
        await letRead(converted)
        await rename(converted, path)
        await rm(partial)
      } else {
        await letRead(partial)
        await rename(partial, path)
      }
    } catch (error) {
      await Promise.all([partial, converted].map((file) => rm(file, { force: true })))
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
      const path = pathOf(ticket)
      if (await touched(path, clock)) {
        await cached(ticket, path, limits)
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
        await cached(ticket, path, limits)
        progress(100)
      } finally {
        signal.removeEventListener('abort', giveUp)
        shared.listeners.delete(progress)
      }
    },
    find: async (image) => {
      const path = pathOf(image)
      if (!(await touched(path, clock))) return undefined
      return { path, ...(await cached(image, path, limits)) }
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

/** Asked for each use, not each download: it costs a few reads. */
async function cached(
  image: DiskSpec['image'],
  path: string,
  limits: Limits,
): Promise<{ readonly format: CachedImage['format']; readonly virtualBytes: number }> {
  const { format, virtualBytes } = await looked(
    image,
    CONVERTED.has(image.diskFormat) ? 'qcow2' : image.diskFormat,
    path,
    limits,
  )
  return { format: format === 'qcow2' ? 'qcow2' : 'raw', virtualBytes }
}

/** What a user gives us must not make QEMU read other files of the host. */
async function looked({ imageId }: DiskSpec['image'], diskFormat: string, path: string, limits: Limits) {
  const file = await open(path)
  try {
    const finding = await inspect(await bytesOfFile(file), diskFormat, limits)
    if (finding.kind === 'refused')
      throw new HostError('ImageUnsupported', `image ${imageId} is refused: ${finding.reason}`)
    return finding
  } finally {
    await file.close()
  }
}
