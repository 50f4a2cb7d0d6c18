/** A stream on its way into a file: refused at its first bytes where they tell, written and summed side by side, and looked into when it is whole. */
import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { bytesOfFile } from '@kilonova/disk-image/bytes.ts'
import type { Limits } from '@kilonova/disk-image/finding.ts'
import { inspect, refusedByHead } from '@kilonova/disk-image/inspect.ts'
import { HEAD_BYTES } from '@kilonova/disk-image/signs.ts'
import { Fault } from '../openstack/fault.ts'
import { sumsOf, threadedSums, type Sums } from './sums.ts'

export interface Facts {
  readonly sizeBytes: number
  readonly virtualSizeBytes: number | null
  readonly md5: string
  readonly sha512: string
}

export interface Expected {
  /** Null: it is no bare disk, so nobody looks into it. */
  readonly declared: string | null
  readonly maxBytes: number
  readonly limits: Limits
}

const BLOCK_BYTES = 2 * 1024 * 1024
/** One is filled while the others are written and summed; as many as keep a busy machine from stalling at each of them. */
const BLOCKS = 8

const refused = (reason: string): Fault => new Fault(415, `The image data is refused: ${reason}.`)

/** Errors: 413, 415; those of the stream and the file. */
export async function receiveInto(file: FileHandle, stream: Readable, expected: Expected): Promise<Facts> {
  const { declared, maxBytes, limits } = expected
  const blocks = openBlocks(file)
  let head: Buffer | undefined = Buffer.alloc(0)
  try {
    for await (const piece of stream.iterator({ destroyOnReturn: false })) {
      const chunk = piece as Buffer
      if (head && declared !== null) {
        head = Buffer.concat([head, chunk.subarray(0, HEAD_BYTES - head.length)])
        if (head.length === HEAD_BYTES) {
          const reason = await refusedByHead(head, declared, limits)
          if (reason !== undefined) throw refused(reason)
          head = undefined
        }
      }
      if (blocks.size() + chunk.length > maxBytes)
        throw new Fault(413, `The image is larger than the ${maxBytes} bytes that it may have.`)
      await blocks.add(chunk)
    }
    const sums = await blocks.finish()
    const finding = declared === null ? undefined : await inspect(await bytesOfFile(file), declared, limits)
    if (finding?.kind === 'refused') throw refused(finding.reason)
    await file.datasync()
    return { sizeBytes: blocks.size(), virtualSizeBytes: finding?.virtualBytes ?? null, ...sums }
  } finally {
    await blocks.close()
  }
}

/** A ring of blocks in shared memory: a block is filled again when it was written and summed. */
function openBlocks(file: FileHandle) {
  const blocks = [new Uint8Array(new SharedArrayBuffer(BLOCK_BYTES))]
  const busy: Promise<unknown>[] = []
  let [block = new Uint8Array()] = blocks
  let index = 0
  let filled = 0
  let size = 0
  let sums: Sums | undefined
  // Writes of one file wait for each other in the kernel anyway, and there it costs.
  let written: Promise<void> = Promise.resolve()

  const write = async (bytes: Uint8Array, position: number): Promise<void> => {
    for (let done = 0; done < bytes.length;)
      done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten
  }
  const handOver = (): void => {
    sums ??= threadedSums()
    const bytes = block.subarray(0, filled)
    const at = size - filled
    written = written.then(() => write(bytes, at))
    const work = Promise.all([written, sums.update(bytes)])
    // Whoever waits for the block hears of it.
    work.catch(() => {})
    busy[index] = work
  }

  return {
    size: () => size,
    add: async (chunk: Uint8Array): Promise<void> => {
      for (let at = 0; at < chunk.length;) {
        const length = Math.min(chunk.length - at, BLOCK_BYTES - filled)
        block.set(chunk.subarray(at, at + length), filled)
        at += length
        filled += length
        size += length
        if (filled < BLOCK_BYTES) continue
        handOver()
        index = (index + 1) % BLOCKS
        await busy[index]
        block = blocks[index] ??= new Uint8Array(new SharedArrayBuffer(BLOCK_BYTES))
        filled = 0
      }
    },
    finish: async () => {
      if (!sums) {
        const bytes = block.subarray(0, filled)
        await write(bytes, 0)
        return sumsOf(bytes)
      }
      if (filled > 0) handOver()
      await Promise.all(busy)
      return sums.digest()
    },
    /** Nothing writes to the file any more. */
    close: async (): Promise<void> => {
      await Promise.allSettled(busy)
      sums?.close()
    },
  }
}
