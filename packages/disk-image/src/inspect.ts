/**
 * Looks into a disk image that a stranger sent, before any program reads it: what it is, how large its disk is, and whether reading it
 * could reach beyond the file. Reads a few kilobytes, starts nothing. Upstream: `format_inspector` of oslo.utils asks much the same.
 */
import type { Bytes } from './bytes.ts'
import { DEFAULT_LIMITS, Refusal, refuse, type Finding, type Format, type Limits } from './finding.ts'
import { partitionTableOf } from './partition-table.ts'
import { inspectQcow2, qcow2Header } from './qcow2.ts'
import { signsInHead, signsOf } from './signs.ts'
import { inspectVdi } from './vdi.ts'
import { inspectVhd } from './vhd.ts'
import { inspectVhdx } from './vhdx.ts'
import { inspectVmdk } from './vmdk.ts'

/** Glance's word for a disk format to what its bytes are. `ami`, `ari` and `aki` are raw. */
const DECLARED: Readonly<Record<string, Format>> = {
  raw: 'raw',
  ami: 'raw',
  ari: 'raw',
  aki: 'raw',
  qcow2: 'qcow2',
  vmdk: 'vmdk',
  vdi: 'vdi',
  vhd: 'vhd',
  vhdx: 'vhdx',
  iso: 'iso',
}

/** Each answers the size of the disk inside in bytes, or refuses. */
const INSPECTORS: Readonly<Record<Format, (bytes: Bytes, limits: Limits) => Promise<number>>> = {
  raw: async ({ size }) => size,
  iso: async ({ size }) => size,
  qcow2: inspectQcow2,
  vmdk: inspectVmdk,
  vdi: inspectVdi,
  vhd: inspectVhd,
  vhdx: inspectVhdx,
}

/** `declared` is Glance's `disk_format`. Fails only with an error of `bytes` itself. */
export function inspect(bytes: Bytes, declared: string, limits: Limits = DEFAULT_LIMITS): Promise<Finding> {
  return found(async () => {
    const format = formatOf(declared)
    mustBe(format, declared, await signsOf(bytes))
    const virtualBytes = await INSPECTORS[format](bytes, limits)
    mustBeModest(virtualBytes, limits)
    const bare = format === 'raw' || format === 'iso'
    return { format, virtualBytes, partitionTable: bare ? partitionTableOf(await bytes.read(0, 1024)) : undefined }
  })
}

/** The first bytes of an image that is still on its way: why it will be refused, if they tell already. */
export async function refusedByHead(
  head: Buffer,
  declared: string,
  limits: Limits = DEFAULT_LIMITS,
): Promise<string | undefined> {
  const finding = await found(async () => {
    const format = formatOf(declared)
    // The mark of a fixed vhd is at its end.
    if (format !== 'vhd' || signsInHead(head).length > 0) mustBe(format, declared, signsInHead(head))
    const virtualBytes = format === 'qcow2' ? qcow2Header(head).virtualBytes : 0
    mustBeModest(virtualBytes, limits)
    return { format, virtualBytes }
  })
  return finding.kind === 'refused' ? finding.reason : undefined
}

async function found(look: () => Promise<Omit<Finding & { kind: 'usable' }, 'kind'>>): Promise<Finding> {
  try {
    return { kind: 'usable', ...(await look()) }
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'refused', reason: error.message }
    throw error
  }
}

const formatOf = (declared: string): Format =>
  (Object.hasOwn(DECLARED, declared) ? DECLARED[declared] : undefined) ??
  refuse(`disk format ${declared || '(none)'} is not one that is looked into`)

/** Partition tables are no sign of anything: they are what raw disks and bootable CDs begin with. */
function mustBe(format: Format, declared: string, signs: readonly string[]): void {
  const own = signs.includes(format)
  if (own && signs.length > 1) refuse(`it is ${signs.join(' and ')} at once`)
  if (!own && signs.length > 0) refuse(`it was declared as ${declared}, but it is ${signs.join(' and ')}`)
  if (!own && format !== 'raw') refuse(`it was declared as ${declared}, but it is not`)
}

function mustBeModest(virtualBytes: number, { maxVirtualBytes }: Limits): void {
  if (virtualBytes > maxVirtualBytes)
    refuse(`its virtual size of ${virtualBytes} bytes is over the limit of ${maxVirtualBytes}`)
}
