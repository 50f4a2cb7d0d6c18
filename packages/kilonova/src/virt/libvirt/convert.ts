/** Formats that guests do not run from, made into qcow2 once, in the cache. Only for files that were looked into. Upstream: Nova converts them too. */
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { HostError } from '../host-error.ts'
import { command } from './command.ts'

/** Glance's word for a format to QEMU's. */
const QEMU_FORMATS: Readonly<Record<string, string>> = { vmdk: 'vmdk', vdi: 'vdi', vhd: 'vpc', vhdx: 'vhdx' }
const MB = 1024 ** 2
const TIMEOUT_MS = 15 * 60_000
const LIMITS = { cpuSeconds: 10 * 60, memoryBytes: 1024 * MB }

export const CONVERTED: ReadonlySet<string> = new Set(Object.keys(QEMU_FORMATS))

/** Errors: HostError ImageUnsupported (what is inside is broken, or takes more than it may), DiskFull. */
export async function convertToQcow2({
  from,
  format,
  to,
  virtualBytes,
  signal,
}: {
  readonly from: string
  readonly format: string
  readonly to: string
  readonly virtualBytes: number
  readonly signal: AbortSignal
}): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(to))
  // A few bytes may stand for a disk full of data: never more than that disk and its tables, nor than half of what is free.
  const fileBytes = Math.floor(Math.min(virtualBytes * 1.01 + 64 * MB, (bavail * bsize) / 2))
  const args = ['convert', '-q', '-f', QEMU_FORMATS[format] ?? format, '-O', 'qcow2', from, to]
  try {
    await command('qemu-img', args, { timeoutMs: TIMEOUT_MS, signal, limits: { ...LIMITS, fileBytes } })
  } catch (error) {
    if (!(error instanceof HostError) || error.name !== 'CommandFailed') throw error
    throw new HostError('ImageUnsupported', `an image of format ${format} cannot be converted`, { cause: error })
  }
}
