/** UUIDv5: the same name gives the same id, so that a repeated step makes the same thing again. RFC 9562 section 5.5. */
import { createHash } from 'node:crypto'

const NAMESPACE = Buffer.from('6b1c7d3a5d0f4f0e9a51c4a1f2f0b7e4', 'hex')

export function uuid5(name: string): string {
  const hash = createHash('sha1').update(NAMESPACE).update(name).digest().subarray(0, 16)
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x50, 6)
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = hash.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
