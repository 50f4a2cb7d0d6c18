/** Ephemeral and swap disks: raw files of the server's own, sparse, with a file system as the guest's kind of system expects it. */
import { chmod, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { LocalDisks } from '../../domain/local-disks.ts'
import { HostError } from '../host-error.ts'
import { command } from './command.ts'
import { exists, isDiskFull } from './disk.ts'
import type { ServerFiles } from './files.ts'

const GB = 1024 ** 3
const MB = 1024 ** 2
const LIMITS = { cpuSeconds: 60, memoryBytes: 1024 ** 3 }

/** `disk.eph0`, `disk.eph1`, … and `disk.swap`, in the order in which the guest sees them. */
export const localDiskFiles = ({ folder }: ServerFiles, { ephemeralsGb, swapMb }: LocalDisks): readonly string[] => [
  ...ephemeralsGb.map((_, index) => join(folder, `disk.eph${index}`)),
  ...(swapMb > 0 ? [join(folder, 'disk.swap')] : []),
]
export const isLocalDisk = (name: string): boolean => /^disk\.(eph\d+|swap)$/.test(name)

export async function createLocalDisks(
  files: ServerFiles,
  disks: LocalDisks,
  { host, format }: { readonly host: string; readonly format: string | null },
): Promise<void> {
  const paths = localDiskFiles(files, disks)
  for (const [index, path] of paths.entries()) {
    if (await exists(path)) continue
    const size = disks.ephemeralsGb[index]
    await whole(path, size === undefined ? disks.swapMb * MB : size * GB, host, (file) =>
      size === undefined ? formatSwap(file) : format === null ? Promise.resolve() : formatDisk(file, format, index),
    )
  }
}

/** Beside and renamed: it is there whole or not at all. */
async function whole(
  path: string,
  bytes: number,
  host: string,
  fill: (file: string) => Promise<unknown>,
): Promise<void> {
  const partial = `${path}.part`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o711 })
    await rm(partial, { force: true })
    const file = await open(partial, 'wx', 0o600)
    await file.truncate(bytes).finally(() => file.close())
    await fill(partial)
    await chmod(partial, 0o600)
    await rename(partial, path)
  } catch (error) {
    await rm(partial, { force: true })
    if (isDiskFull(error))
      throw new HostError('DiskFull', `the disk of host ${host} is full: ${path} cannot be made`, { cause: error })
    throw error
  }
}

const TIMEOUT_MS = 120_000
const formatSwap = (file: string): Promise<unknown> =>
  command('mkswap', [file], { timeoutMs: TIMEOUT_MS, limits: LIMITS })
/** Named as upstream does: a guest finds it by its label. */
const formatDisk = (file: string, format: string, index: number): Promise<unknown> =>
  command(`mkfs.${format}`, ['-q', '-F', '-L', `ephemeral${index}`, file], { timeoutMs: TIMEOUT_MS, limits: LIMITS })
