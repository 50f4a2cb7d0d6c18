/** The serial console's last bytes, from the file that virtlogd writes and turns over (`console.log.0` is the one before). */
import { open } from 'node:fs/promises'

export async function consoleTail(path: string, maxBytes: number): Promise<string> {
  const now = await tail(path, maxBytes)
  const before = now.length < maxBytes ? await tail(`${path}.0`, maxBytes - now.length) : Buffer.alloc(0)
  return Buffer.concat([before, now]).toString()
}

async function tail(path: string, maxBytes: number): Promise<Buffer> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (!file) return Buffer.alloc(0)
  try {
    const { size } = await file.stat()
    const length = Math.max(0, Math.min(size, maxBytes))
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}
