/** Microsoft's vhd (QEMU: vpc): fixed or dynamic, never differencing. Format: Virtual Hard Disk Image Format Specification 1.0. */
import type { Bytes } from './bytes.ts'
import { modest, mustLieWithin, refuse, whole } from './finding.ts'

const FOOTER_BYTES = 512
const DYNAMIC_HEADER_BYTES = 1024
const FIXED = 2
const DYNAMIC = 3
const CHECKSUM_AT = 64

const COOKIE = 'conectix'
/** The footer; dynamic ones have it at their head too. */
export const isVhd = (part: Buffer): boolean => part.toString('latin1', 0, 8) === COOKIE

export async function inspectVhd(bytes: Bytes): Promise<number> {
  const footer = footerOf(await bytes.read(bytes.size - FOOTER_BYTES, FOOTER_BYTES))
  const head = await bytes.read(0, FOOTER_BYTES)
  if (footer.type === FIXED) {
    // A reader that finds one at the head does not look at the end.
    if (isVhd(head)) refuse('its head is not what its footer says')
    if (footer.virtualBytes > bytes.size - FOOTER_BYTES) refuse('it is cut short')
    return footer.virtualBytes
  }
  const copy = footerOf(head)
  if (copy.type !== footer.type || copy.virtualBytes !== footer.virtualBytes || copy.dataAt !== footer.dataAt)
    refuse('its head is not what its footer says')
  await inspectDynamic(bytes, footer.dataAt, footer.virtualBytes)
  return footer.virtualBytes
}

function footerOf(part: Buffer) {
  whole(part, FOOTER_BYTES, 'its vhd footer')
  if (!isVhd(part)) refuse('its vhd footer is missing')
  mustHaveChecksum(part, FOOTER_BYTES, CHECKSUM_AT)
  const type = part.readUInt32BE(60)
  if (type !== FIXED && type !== DYNAMIC)
    refuse(type === 4 ? 'it stands on another image' : 'its kind of vhd is not known')
  return {
    type,
    dataAt: type === FIXED ? 0 : modest(part.readBigUInt64BE(16), 'the place of its header'),
    virtualBytes: modest(part.readBigUInt64BE(48), 'its virtual size'),
  }
}

async function inspectDynamic(bytes: Bytes, at: number, virtualBytes: number): Promise<void> {
  const head = whole(await bytes.read(at, DYNAMIC_HEADER_BYTES), DYNAMIC_HEADER_BYTES, 'its vhd header')
  if (head.toString('latin1', 0, 8) !== 'cxsparse') refuse('its vhd header is missing')
  mustHaveChecksum(head, DYNAMIC_HEADER_BYTES, 36)
  // Names of parents, and where to find them.
  if (head.subarray(64, 768).some((byte) => byte !== 0)) refuse('it stands on another image')
  const blockBytes = head.readUInt32BE(32)
  const entries = head.readUInt32BE(28)
  if (blockBytes < 512 || (blockBytes & (blockBytes - 1)) !== 0)
    refuse(`blocks of ${blockBytes} bytes are not possible`)
  if (entries < Math.ceil(virtualBytes / blockBytes)) refuse('it has fewer blocks than its virtual size needs')
  mustLieWithin(
    modest(head.readBigUInt64BE(16), 'the place of its table'),
    entries * 4,
    bytes.size,
    'its table of blocks',
  )
}

/** The complement of the sum of all other bytes. */
function mustHaveChecksum(part: Buffer, length: number, at: number): void {
  let sum = 0
  for (let index = 0; index < length; index++) if (index < at || index >= at + 4) sum += part[index] ?? 0
  if (~sum >>> 0 !== part.readUInt32BE(at)) refuse('the checksum of its vhd header is wrong')
}
