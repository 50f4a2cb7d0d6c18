/** Reads the first bytes of a qcow2 file: how large its disk is and what it stands on. Format: docs/interop/qcow2.txt of QEMU. */
import { open } from 'node:fs/promises'

export interface Qcow2Header {
  readonly virtualBytes: number
  readonly backingFile: string | null
  /** A bit of version 3: the data lies in another file. */
  readonly hasExternalData: boolean
}

const MAGIC = 0x51_46_49_fb
const HEADER_BYTES = 104
const MAX_NAME_BYTES = 1023
const INCOMPATIBLE_EXTERNAL_DATA = 4n

/** Undefined when the file is no qcow2. */
export async function readQcow2Header(path: string): Promise<Qcow2Header | undefined> {
  const file = await open(path)
  try {
    const header = Buffer.alloc(HEADER_BYTES)
    const { bytesRead } = await file.read(header, 0, HEADER_BYTES, 0)
    if (bytesRead < 72 || header.readUInt32BE(0) !== MAGIC) return undefined
    const nameAt = Number(header.readBigUInt64BE(8))
    const nameBytes = header.readUInt32BE(16)
    if (nameBytes > MAX_NAME_BYTES) return undefined
    const name = Buffer.alloc(nameBytes)
    if (nameAt > 0) await file.read(name, 0, nameBytes, nameAt)
    const features = header.readUInt32BE(4) >= 3 ? header.readBigUInt64BE(72) : 0n
    return {
      virtualBytes: Number(header.readBigUInt64BE(24)),
      backingFile: nameAt > 0 ? name.toString() : null,
      hasExternalData: (features & INCOMPATIBLE_EXTERNAL_DATA) !== 0n,
    }
  } finally {
    await file.close()
  }
}
