/** What the first bytes of an image say: its virtual size, and whether it is what it was declared to be. Upstream: qcow2's specification. */
import { Fault } from '../openstack/fault.ts'

/** So many bytes of the head (fewer only when the image is shorter) are enough for `inspect`. */
export const HEAD_BYTES = 104

const QCOW2_MAGIC = 0x51_46_49_fb
const EXTERNAL_DATA_FILE = 1n << 2n
/** Dirty, corrupt, external data, compression type, extended L2: what the specification knows. */
const KNOWN_FEATURES = 0b1_1111n
const MAX_VIRTUAL_BYTES = BigInt(Number.MAX_SAFE_INTEGER)

const refused = (why: string): Fault => new Fault(415, `The image data is refused: ${why}.`)

const isQcow2 = (head: Buffer): boolean => head.length >= 4 && head.readUInt32BE(0) === QCOW2_MAGIC

/** Bytes of the disk inside, where the head tells; `undefined` means "the size of the file". Errors: 415. */
export function inspect(declared: string, head: Buffer): number | null | undefined {
  if (declared === 'qcow2') return qcow2VirtualBytes(head)
  if (declared === 'raw' || declared === 'iso') {
    // A raw disk that starts like a qcow2 file would let whoever probes it read other files of the host.
    if (isQcow2(head)) throw refused(`declared ${declared}, but it is qcow2`)
    return undefined
  }
  return null
}

function qcow2VirtualBytes(head: Buffer): number {
  if (!isQcow2(head)) throw refused('declared qcow2, but it has no qcow2 header')
  const version = head.length >= 8 ? head.readUInt32BE(4) : 0
  if (version !== 2 && version !== 3) throw refused(`qcow2 version ${version} is not known`)
  if (head.length < (version === 2 ? 72 : HEAD_BYTES)) throw refused('its qcow2 header is cut short')
  if (head.readBigUInt64BE(8) !== 0n) throw refused('it has a backing file')
  if (version === 3) {
    const features = head.readBigUInt64BE(72)
    if ((features & EXTERNAL_DATA_FILE) !== 0n) throw refused('it has an external data file')
    if ((features & ~KNOWN_FEATURES) !== 0n) throw refused('it needs qcow2 features that are not known')
  }
  const size = head.readBigUInt64BE(24)
  if (size > MAX_VIRTUAL_BYTES) throw refused('its virtual size cannot be true')
  return Number(size)
}
