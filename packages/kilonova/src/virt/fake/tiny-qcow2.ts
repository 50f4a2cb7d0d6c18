/** An empty qcow2 image of 1 MiB, written by us: the demo image of fake hosts, which boot nothing. Format: QEMU's docs/interop/qcow2.txt. */
const CLUSTER_BITS = 16
const CLUSTER = 1 << CLUSTER_BITS
const VIRTUAL_BYTES = 1024 * 1024

/** Clusters: header, L1 table, refcount table, one refcount block. Nothing is allocated for data. */
export function tinyQcow2(): Buffer {
  const image = Buffer.alloc(4 * CLUSTER)
  image.write('QFI\xfb', 0, 'latin1')
  image.writeUInt32BE(3, 4)
  image.writeUInt32BE(CLUSTER_BITS, 20)
  image.writeBigUInt64BE(BigInt(VIRTUAL_BYTES), 24)
  image.writeUInt32BE(1, 36)
  image.writeBigUInt64BE(BigInt(CLUSTER), 40)
  image.writeBigUInt64BE(BigInt(2 * CLUSTER), 48)
  image.writeUInt32BE(1, 56)
  image.writeUInt32BE(4, 96)
  image.writeUInt32BE(104, 100)
  image.writeBigUInt64BE(BigInt(3 * CLUSTER), 2 * CLUSTER)
  for (let cluster = 0; cluster < 4; cluster++) image.writeUInt16BE(1, 3 * CLUSTER + 2 * cluster)
  return image
}
