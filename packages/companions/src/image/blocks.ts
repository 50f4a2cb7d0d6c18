/** A file written in blocks that are summed meanwhile; the disk gets them as they come, so that at the end little is left to wait for. */
import type { FileHandle } from 'node:fs/promises'
import { sumsOf, threadedSums, type Sums } from './sums.ts'

const BLOCK_BYTES = 2 * 1024 * 1024
/** One is filled while the others are written and summed; as many as keep a busy machine from stalling at each of them. */
const BLOCKS = 8
/** The kernel alone would begin only when a tenth of the memory is unwritten. */
const FLUSHED_BYTES = 64 * 1024 * 1024

/** One file at a time, so that uploads leave some of libuv's threads to others. */
let flushing = false

/** A ring of blocks in shared memory: a block is filled again when it was written and summed. */
export function openBlocks(file: FileHandle) {
  const blocks = [new Uint8Array(new SharedArrayBuffer(BLOCK_BYTES))]
  const busy: Promise<unknown>[] = []
  let [block = new Uint8Array()] = blocks
  let index = 0
  let filled = 0
  let size = 0
  let sums: Sums | undefined
  // Writes of one file wait for each other in the kernel anyway, and there it costs.
  let written: Promise<void> = Promise.resolve()
  let unflushed = 0
  // The kernel tells of lost bytes only once: what fails here must be heard at the end.
  let flushed: Promise<unknown> = Promise.resolve()

  const write = async (bytes: Uint8Array, position: number): Promise<void> => {
    for (let done = 0; done < bytes.length;)
      done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten
  }
  const flushSome = (bytes: number): void => {
    unflushed += bytes
    if (unflushed < FLUSHED_BYTES || flushing) return
    unflushed = 0
    flushing = true
    flushed = Promise.all([flushed, file.datasync()]).finally(() => (flushing = false))
    flushed.catch(() => {})
  }
  const handOver = (): void => {
    sums ??= threadedSums()
    const bytes = block.subarray(0, filled)
    const at = size - filled
    written = written.then(async () => {
      await write(bytes, at)
      flushSome(bytes.length)
    })
    const work = Promise.all([written, sums.update(bytes)])
    // Whoever waits for the block hears of it.
    work.catch(() => {})
    busy[index] = work
  }

  return {
    size: () => size,
    /** Undefined when all of the chunk is taken; else it is when the promise resolves. */
    add: function add(chunk: Uint8Array): Promise<void> | undefined {
      const part = chunk.subarray(0, BLOCK_BYTES - filled)
      block.set(part, filled)
      filled += part.length
      size += part.length
      if (filled < BLOCK_BYTES) return undefined
      handOver()
      index = (index + 1) % BLOCKS
      const rest = chunk.subarray(part.length)
      return Promise.resolve(busy[index]).then(() => {
        block = blocks[index] ??= new Uint8Array(new SharedArrayBuffer(BLOCK_BYTES))
        filled = 0
        return add(rest)
      })
    },
    /** All is on the disk then. */
    finish: async () => {
      if (!sums) {
        const bytes = block.subarray(0, filled)
        await write(bytes, 0)
        await file.datasync()
        return sumsOf(bytes)
      }
      if (filled > 0) handOver()
      await written
      await Promise.all([flushed, file.datasync(), ...busy])
      return sums.digest()
    },
    /** Nothing writes to the file any more. */
    close: async (): Promise<void> => {
      await Promise.allSettled([written, flushed, ...busy])
      sums?.close()
    },
  }
}
