/** For tests: the head of a qcow2 file, right or wrong in one place. */
export interface Qcow2Sample {
  readonly version?: number
  readonly size?: bigint
  readonly backing?: bigint
  readonly features?: bigint
}

export function qcow2Head({
  version = 3,
  size = 64n * 1024n * 1024n,
  backing = 0n,
  features = 0n,
}: Qcow2Sample): Buffer {
  const head = Buffer.alloc(104)
  head.write('QFI\xfb', 0, 'latin1')
  head.writeUInt32BE(version, 4)
  head.writeBigUInt64BE(backing, 8)
  head.writeUInt32BE(16, 20)
  head.writeBigUInt64BE(size, 24)
  if (version > 2) head.writeBigUInt64BE(features, 72)
  return head
}
