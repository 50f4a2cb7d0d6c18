/** VMware's vmdk: one file with a descriptor in it that names no other file. Format: Virtual Disk Format 5.0, and what QEMU's reader does with it. */
import type { Bytes } from './bytes.ts'
import { modest, mustLieWithin, refuse, whole, type Limits } from './finding.ts'

const SECTOR = 512
const HEADER_BYTES = 79
const AT_END = 0xffff_ffff_ffff_ffffn
/** However long the header says the descriptor is, QEMU reads so much. */
const MIN_DESCRIPTOR_BYTES = 20 * SECTOR
const MAX_DESCRIPTOR_BYTES = 1024 ** 2
/** From the end of a streamOptimized file: marker, header again, end of stream. */
const FOOTER_BYTES = 3 * SECTOR
/** Types whose data are in other files or devices. */
const SCATTERED = /flat|vmfs|device|twogb|custom|sesparse|raw/i
const NEWLINES = '\n \r\n'

/** Both what is a disk by itself and what is a list of other files. */
export function isVmdk(head: Buffer): boolean {
  const magic = head.toString('latin1', 0, 4)
  return magic === 'KDMV' || magic === 'COWD' || isDescriptor(head)
}

/** A text: comments, empty lines, then `version=`. */
function isDescriptor(head: Buffer): boolean {
  const lines = head.toString('latin1', 0, 4096).split('\n')
  if (/^#\s*disk\s+descriptorfile/i.test(lines[0] ?? '')) return true
  const first = lines.find((line) => !/^\s*(#.*)?$/.test(line)) ?? ''
  return /^version\s*=\s*\d+\s*$/i.test(first)
}

export async function inspectVmdk(bytes: Bytes, { vmdkTypes }: Limits): Promise<number> {
  const head = await bytes.read(0, SECTOR)
  if (isDescriptor(head)) refuse('its data lie in other files')
  if (head.toString('latin1', 0, 4) !== 'KDMV') refuse('its kind of vmdk is not allowed')
  const header = sparseHeader(head)
  if (header.gdAtEnd) {
    const footer = await bytes.read(bytes.size - FOOTER_BYTES + SECTOR, SECTOR)
    if (bytes.size < FOOTER_BYTES + SECTOR || footer.toString('latin1', 0, 4) !== 'KDMV')
      refuse('its footer is missing')
    const again = sparseHeader(footer)
    if (again.gdAtEnd || again.capacity !== header.capacity || ![0, header.descriptorAt].includes(again.descriptorAt))
      refuse('its footer is not what its header says')
  }
  await inspectDescriptor(bytes, header, vmdkTypes)
  return header.capacity * SECTOR
}

function sparseHeader(sector: Buffer) {
  whole(sector, HEADER_BYTES, 'its vmdk header')
  const version = sector.readUInt32LE(4)
  if (version < 1 || version > 3) refuse(`vmdk version ${version} is not known`)
  if (sector.toString('latin1', 73, 77) !== NEWLINES) refuse('its vmdk header was changed on its way')
  const capacity = modest(sector.readBigUInt64LE(12), 'its virtual size')
  // A reader takes a disk without a size for a list of other files.
  if (capacity === 0) refuse('its header has no size')
  return {
    capacity,
    descriptorAt: modest(sector.readBigUInt64LE(28), 'the place of its descriptor') * SECTOR,
    descriptorBytes: modest(sector.readBigUInt64LE(36), 'the size of its descriptor') * SECTOR,
    gdAtEnd: sector.readBigUInt64LE(56) === AT_END,
  }
}

async function inspectDescriptor(
  bytes: Bytes,
  { descriptorAt, descriptorBytes }: { readonly descriptorAt: number; readonly descriptorBytes: number },
  allowed: readonly string[],
): Promise<void> {
  if (descriptorAt === 0 || descriptorBytes === 0) refuse('it has no descriptor')
  if (descriptorBytes > MAX_DESCRIPTOR_BYTES) refuse('its descriptor is too large')
  mustLieWithin(descriptorAt, descriptorBytes, bytes.size, 'its descriptor')
  const area = await bytes.read(descriptorAt, Math.max(descriptorBytes, MIN_DESCRIPTOR_BYTES))
  // A parent is looked for in all of it, also behind a zero byte.
  if (/parentFileNameHint/i.test(area.toString('latin1'))) refuse('it has a parent')
  const end = area.indexOf(0)
  const lines = area.toString('latin1', 0, end < 0 ? area.length : end).split(/\r?\n/)
  const types = lines.flatMap((line) => /^\s*createType\s*=\s*"?([^"]*)"?\s*$/i.exec(line)?.[1] ?? [])
  const [type = ''] = types
  if (types.length !== 1) refuse('its descriptor does not say which kind of vmdk it is')
  if (SCATTERED.test(type) || !allowed.includes(type)) refuse(`vmdk of kind ${printable(type)} is not allowed`)
  const extents = lines.filter((line) => /^\s*(RW|RDONLY|NOACCESS)\b/i.test(line))
  if (extents.length !== 1) refuse(`it has ${extents.length} extents`)
  const [, kind = '', file = ''] = /^\s*(?:RW|RDONLY)\s+\d+\s+(\w+)\s+"([^"]*)"\s*\d*\s*$/i.exec(extents[0] ?? '') ?? []
  if (kind.toUpperCase() !== 'SPARSE') refuse('its data lie in another file')
  if (file.includes('/') || file.includes('\\')) refuse('its extent has a path')
}

const printable = (text: string): string => JSON.stringify(text.slice(0, 40).replaceAll(/[^\x20-\x7e]/g, '?'))
