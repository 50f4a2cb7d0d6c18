/** VirtualBox's vdi: dynamic or fixed, standing on no other. Format: QEMU's block/vdi.c describes it. */
import type { Bytes } from './bytes.ts'
import { modest, mustLieWithin, refuse, whole } from './finding.ts'

const HEADER_BYTES = 512
const SIGNATURE = 0xbeda107f
const VERSION = 0x1_0001
const DYNAMIC = 1
const FIXED = 2
const BLOCK_BYTES = 1024 ** 2
const UUID_BYTES = 16

export const isVdi = (head: Buffer): boolean => head.length >= 68 && head.readUInt32LE(64) === SIGNATURE

export async function inspectVdi(bytes: Bytes): Promise<number> {
  const head = whole(await bytes.read(0, HEADER_BYTES), HEADER_BYTES, 'its vdi header')
  if (head.readUInt32LE(68) !== VERSION) refuse('its vdi version is not known')
  const type = head.readUInt32LE(76)
  if (type !== DYNAMIC && type !== FIXED) refuse('its kind of vdi is not allowed')
  for (const at of [0x1a8, 0x1b8])
    if (head.subarray(at, at + UUID_BYTES).some((byte) => byte !== 0)) refuse('it stands on another image')
  if (head.readUInt32LE(0x178) !== BLOCK_BYTES) refuse('its blocks are not of 1 MiB')
  const virtualBytes = modest(head.readBigUInt64LE(0x170), 'its virtual size')
  const blocks = head.readUInt32LE(0x180)
  if (blocks < Math.ceil(virtualBytes / BLOCK_BYTES)) refuse('it has fewer blocks than its virtual size needs')
  mustLieWithin(head.readUInt32LE(0x154), blocks * 4, bytes.size, 'its table of blocks')
  return virtualBytes
}
