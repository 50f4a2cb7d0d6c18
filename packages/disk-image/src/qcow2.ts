/** qcow2, versions 2 and 3: stands on nothing, keeps its data in itself, and has tables that fit it. Format: docs/interop/qcow2.txt of QEMU. */
import type { Bytes } from './bytes.ts'
import { modest, mustLieWithin, refuse, whole } from './finding.ts'

const V2_BYTES = 72
const V3_BYTES = 104
const MIN_CLUSTER_BITS = 9
const MAX_CLUSTER_BITS = 21
/** Incompatible features. */
const CORRUPT = 1n << 1n
const EXTERNAL_DATA = 1n << 2n
const COMPRESSION_TYPE = 1n << 3n
const EXTENDED_L2 = 1n << 4n
/** Dirty (bit 0) and the four above. */
const KNOWN_FEATURES = 0b1_1111n
/** What QEMU takes at most. */
const MAX_L1_BYTES = 32 * 1024 ** 2
const MAX_REFCOUNT_TABLE_BYTES = 8 * 1024 ** 2
const MAX_EXTENSION_BYTES = 64 * 1024
/** QEMU takes 65536, and reads them all when it opens the file. */
const MAX_SNAPSHOTS = 1024
const MIN_SNAPSHOT_BYTES = 40
const EXTERNAL_DATA_NAME = 0x44_41_54_41

export const isQcow2 = (head: Buffer): boolean => head.length >= 4 && head.toString('latin1', 0, 4) === 'QFI\xfb'

/** What the header alone tells; enough to refuse an upload at its first bytes. */
export function qcow2Header(head: Buffer) {
  const version = whole(head, 8, 'its qcow2 header').readUInt32BE(4)
  if (version !== 2 && version !== 3) refuse(`qcow2 version ${version} is not known`)
  whole(head, version === 2 ? V2_BYTES : V3_BYTES, 'its qcow2 header')
  if (head.readBigUInt64BE(8) !== 0n || head.readUInt32BE(16) !== 0) refuse('it has a backing file')
  const features = version === 3 ? head.readBigUInt64BE(72) : 0n
  if ((features & EXTERNAL_DATA) !== 0n) refuse('it has an external data file')
  if ((features & ~KNOWN_FEATURES) !== 0n) refuse('it needs qcow2 features that are not known')
  if ((features & CORRUPT) !== 0n) refuse('it is marked as corrupt')
  if (head.readUInt32BE(32) !== 0) refuse('it is encrypted')
  const clusterBits = head.readUInt32BE(20)
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS)
    refuse(`clusters of 2^${clusterBits} bytes are not possible`)
  const headerBytes = version === 3 ? head.readUInt32BE(100) : V2_BYTES
  const clusterBytes = 2 ** clusterBits
  if (version === 3 && (headerBytes < V3_BYTES || headerBytes % 8 !== 0 || headerBytes > clusterBytes))
    refuse(`a qcow2 header of ${headerBytes} bytes is not possible`)
  if (version === 3 && head.readUInt32BE(96) > 6) refuse('its reference counts are wider than 64 bits')
  return {
    version,
    features,
    clusterBytes,
    headerBytes,
    virtualBytes: modest(head.readBigUInt64BE(24), 'its virtual size'),
    l1Entries: head.readUInt32BE(36),
    l1Offset: modest(head.readBigUInt64BE(40), 'the place of its L1 table'),
    refcountOffset: modest(head.readBigUInt64BE(48), 'the place of its refcount table'),
    refcountClusters: head.readUInt32BE(56),
    snapshots: head.readUInt32BE(60),
    snapshotsOffset: modest(head.readBigUInt64BE(64), 'the place of its snapshots'),
  }
}

export async function inspectQcow2(bytes: Bytes): Promise<number> {
  const head = await bytes.read(0, V3_BYTES + 1)
  const header = qcow2Header(head)
  const { features, clusterBytes, virtualBytes, l1Entries, l1Offset } = header
  if (header.headerBytes > V3_BYTES) {
    const type = whole(head, V3_BYTES + 1, 'its qcow2 header').readUInt8(V3_BYTES)
    if (type > 1 || (type !== 0) !== ((features & COMPRESSION_TYPE) !== 0n)) refuse('its compression is not known')
  } else if ((features & COMPRESSION_TYPE) !== 0n) refuse('its compression is not known')
  const perL2 = clusterBytes / ((features & EXTENDED_L2) !== 0n ? 16 : 8)
  if (l1Entries * 8 > MAX_L1_BYTES) refuse(`an L1 table of ${l1Entries} entries is too large`)
  if (l1Entries < Math.ceil(virtualBytes / (clusterBytes * perL2)))
    refuse('its L1 table is too small for its virtual size')
  const refcountBytes = header.refcountClusters * clusterBytes
  if (refcountBytes > MAX_REFCOUNT_TABLE_BYTES) refuse('its refcount table is too large')
  if (header.snapshots > MAX_SNAPSHOTS) refuse(`it has ${header.snapshots} snapshots`)
  for (const [offset, length, what] of [
    [l1Offset, l1Entries * 8, 'its L1 table'],
    [header.refcountOffset, refcountBytes, 'its refcount table'],
    [header.snapshotsOffset, header.snapshots * MIN_SNAPSHOT_BYTES, 'its table of snapshots'],
  ] as const) {
    if (length === 0) continue
    if (offset === 0 || offset % clusterBytes !== 0) refuse(`${what} does not begin at a cluster`)
    mustLieWithin(offset, length, bytes.size, what)
  }
  await mustNameNoDataFile(bytes, header.headerBytes, clusterBytes)
  return virtualBytes
}

/** Extensions follow the header: a type, a length, and so many bytes, up to the end of the first cluster. */
async function mustNameNoDataFile(bytes: Bytes, headerBytes: number, clusterBytes: number): Promise<void> {
  const area = await bytes.read(headerBytes, Math.min(clusterBytes - headerBytes, MAX_EXTENSION_BYTES))
  for (let at = 0; at + 8 <= area.length;) {
    const type = area.readUInt32BE(at)
    if (type === 0) return
    if (type === EXTERNAL_DATA_NAME) refuse('it names an external data file')
    const length = area.readUInt32BE(at + 4)
    if (length > area.length - at - 8) refuse('an extension of its header is cut short')
    at += 8 + Math.ceil(length / 8) * 8
  }
}
