/** The root disk: a qcow2 file over the cached image, as large as the flavor says. Made beside and renamed: it is there whole or not at all. */
import { chmod, mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, extname } from 'node:path'
import type { DiskSpec } from '../driver.ts'
import { HostError } from '../host-error.ts'
import { command } from './command.ts'
import type { GuestDisk } from './domain/facts.ts'
import { baseFolder } from './files.ts'
import type { ImageCache } from './image-cache.ts'
import { backingFileOf } from './qcow2.ts'

const GB = 1024 ** 3
const LIMITS = { cpuSeconds: 30, memoryBytes: 1024 ** 3 }

/** `path`: the root disk's, or a rescue disk's. */
export async function createDisk(
  { image, rootGb, serverId }: DiskSpec,
  path: string,
  images: ImageCache,
  host: string,
): Promise<void> {
  if (await exists(path)) return
  const base = await images.find(image)
  if (!base) throw new HostError('ImageNotCached', `image ${image.imageId} is not in the cache of host ${host}`)
  const bytes = rootGb * GB
  if (rootGb > 0 && base.virtualBytes > bytes)
    throw new HostError(
      'ImageLargerThanDisk',
      `image ${image.imageId} needs ${Math.ceil(base.virtualBytes / GB)} GB, the flavor's disk has ${rootGb} GB`,
    )
  const partial = `${path}.part`
  const size = rootGb > 0 ? bytes : Math.ceil(base.virtualBytes / 512) * 512
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o711 })
    await command(
      'qemu-img',
      ['create', '-q', '-f', 'qcow2', '-F', base.format, '-b', base.path, partial, String(size)],
      { timeoutMs: 30_000, limits: LIMITS },
    )
    // Its path is on the guest's command line, which everybody on the host may read.
    await chmod(partial, 0o600)
    await rename(partial, path)
  } catch (error) {
    await rm(partial, { force: true })
    if (isDiskFull(error))
      throw new HostError(
        'DiskFull',
        `the disk of host ${host} is full: the root disk of server ${serverId} cannot be made`,
        { cause: error },
      )
    throw error
  }
}

/**
 * A guest's disk, `<instances>/<server>/…`, with what it stands on. Its header is within reach of who broke out of QEMU, so it is believed only where it names a
 * cached image. Errors: HostError DiskDamaged.
 */
export async function diskAt(file: string): Promise<GuestDisk> {
  const base = await backingFileOf(file)
  if (base === undefined) return { file, base: null }
  if (dirname(base) !== baseFolder(dirname(dirname(file))))
    throw new HostError('DiskDamaged', `the disk ${file} stands on a file that is no cached image`)
  return { file, base: { file: base, format: RAW.has(extname(base)) ? 'raw' : 'qcow2' } }
}
/** The cache names its files by what they are read as. */
const RAW: ReadonlySet<string> = new Set(['.raw', '.iso'])

/** As a program we ran said it, or the file system itself. */
export const isDiskFull = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'DiskFull' || ('code' in error && error.code === 'ENOSPC'))

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
}
