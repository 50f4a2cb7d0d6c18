/** An image's bytes, read by place: all that an inspector is given. */
import type { FileHandle } from 'node:fs/promises'

export interface Bytes {
  readonly size: number
  /** Fewer than asked for where the bytes end; none beyond it or at a place that cannot be. */
  read(offset: number, length: number): Promise<Buffer>
}

export const bytesOfBuffer = (buffer: Buffer): Bytes => ({
  size: buffer.length,
  read: async (offset, length) => (inside(offset) ? buffer.subarray(offset, offset + length) : Buffer.alloc(0)),
})

/** The caller closes the file. */
export async function bytesOfFile(file: FileHandle): Promise<Bytes> {
  const { size } = await file.stat()
  return {
    size,
    read: async (offset, length) => {
      const wanted = inside(offset) ? Math.max(0, Math.min(length, size - offset)) : 0
      const buffer = Buffer.alloc(wanted)
      let done = 0
      while (done < wanted) {
        const { bytesRead } = await file.read(buffer, done, wanted - done, offset + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
      return buffer.subarray(0, done)
    },
  }
}

const inside = (offset: number): boolean => Number.isSafeInteger(offset) && offset >= 0
