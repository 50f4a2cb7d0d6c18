/** The file that a qcow2 of ours stands on. Format: docs/interop/qcow2.txt of QEMU. */
import { open } from 'node:fs/promises'

const MAGIC = 'QFI\xfb'
const HEADER_BYTES = 72
const MAX_NAME_BYTES = 1023

/** Undefined: none, or it is no qcow2. */
export async function backingFileOf(path: string): Promise<string | undefined> {
  const file = await open(path)
  try {
    const header = Buffer.alloc(HEADER_BYTES)
    const { bytesRead } = await file.read(header, 0, HEADER_BYTES, 0)
    if (bytesRead < HEADER_BYTES || header.toString('latin1', 0, 4) !== MAGIC) return undefined
    const nameAt = Number(header.readBigUInt64BE(8))
    const nameBytes = header.readUInt32BE(16)
    if (nameAt === 0 || nameBytes === 0 || nameBytes > MAX_NAME_BYTES) return undefined
    const name = Buffer.alloc(nameBytes)
    await file.read(name, 0, nameBytes, nameAt)
    return name.toString()
  } finally {
    await file.close()
  }
}
