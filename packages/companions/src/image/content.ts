/** The bytes of images: one file per content, named by its SHA-512 and shared by all images that have it; half a file is never left. */
import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { DEFAULT_LIMITS, type Limits } from '@kilonova/disk-image/finding.ts'
import { Fault } from '../openstack/fault.ts'
import { receiveInto, type Facts } from './receiving.ts'

export interface Received extends Facts {
  /** Where the bytes wait until `keep` or `discard`. */
  readonly path: string
}

export interface Content {
  /**
   * Writes a stream down and looks into it; `declaredFormat` null: it is no bare disk, so nobody can. On any error nothing is left.
   * `maxBytes`: if less than what any image may have. Errors: 413 (disk full, too large), 415 (not what it should be), 400 (cut short).
   */
  receive(stream: Readable, declaredFormat: string | null, maxBytes?: number): Promise<Received>
  discard(received: Received): Promise<void>
  /** Moves the bytes to their place. Only inside `locked` of their hash. */
  keep(received: Received): Promise<void>
  /** Only inside `locked`, when no image has this content any more. */
  remove(sha512: string): Promise<void>
  /** One at a time for a content, so that the last image's delete and a new image's upload do not cross; or for anything else with a name. */
  locked<T>(name: string, work: () => Promise<T>): Promise<T>
  /** The caller closes it. */
  read(sha512: string): Promise<FileHandle>
  /** Removes what no image has and what a killed process left half written. */
  sweep(known: ReadonlySet<string>): Promise<void>
}

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

export async function openContent(
  directory: string,
  maxImageBytes: number,
  limits: Limits = DEFAULT_LIMITS,
): Promise<Content> {
  const uploads = join(directory, 'uploads')
  const kept = join(directory, 'content')
  await mkdir(uploads, { recursive: true, mode: 0o750 })
  await mkdir(kept, { recursive: true, mode: 0o750 })
  const place = (sha512: string) => join(kept, sha512)
  const queues = new Map<string, Promise<unknown>>()

  return {
    receive: async (stream, declared, maxBytes = maxImageBytes) => {
      const path = join(uploads, randomUUID())
      try {
        const file = await open(path, 'wx+', 0o640)
        try {
          const expected = { declared, maxBytes: Math.min(maxBytes, maxImageBytes), limits }
          return { path, ...(await receiveInto(file, stream, expected)) }
        } finally {
          await file.close()
        }
      } catch (error) {
        await rm(path, { force: true })
        if (error instanceof Fault) throw error
        const code = (error as NodeJS.ErrnoException).code ?? ''
        if (FULL.has(code)) throw new Fault(413, 'There is not enough disk space for the image.', { cause: error })
        if (stream.errored || stream.destroyed) throw new Fault(400, 'The upload was cut short.', { cause: error })
        throw error
      }
    },
    discard: ({ path }) => rm(path, { force: true }),
    keep: async ({ path, sha512 }) => {
      const there = await stat(place(sha512)).catch(() => undefined)
      if (there) await rm(path, { force: true })
      else await rename(path, place(sha512))
    },
    remove: (sha512) => rm(place(sha512), { force: true }),
    locked: async (name, work) => {
      const before = queues.get(name) ?? Promise.resolve()
      const mine = before.then(work, work)
      const settled = mine.catch(() => undefined)
      queues.set(name, settled)
      try {
        return await mine
      } finally {
        if (queues.get(name) === settled) queues.delete(name)
      }
    },
    read: (sha512) => open(place(sha512), 'r'),
    sweep: async (known) => {
      for (const name of await readdir(uploads)) await unlink(join(uploads, name))
      for (const name of await readdir(kept)) if (!known.has(name)) await unlink(join(kept, name))
    },
  }
}
