/** A stream on its way into a file: refused at its first bytes where they tell, written and summed side by side, and looked into when it is whole. */
import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { bytesOfFile } from '@kilonova/disk-image/bytes.ts'
import type { Limits } from '@kilonova/disk-image/finding.ts'
import { inspect, refusedByHead } from '@kilonova/disk-image/inspect.ts'
import { HEAD_BYTES } from '@kilonova/disk-image/signs.ts'
import { Fault } from '../openstack/fault.ts'
import { openBlocks } from './blocks.ts'
import { eachPiece } from './pieces.ts'

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

const refused = (reason: string): Fault => new Fault(415, `The image data is refused: ${reason}.`)

/** Errors: 413, 415; those of the stream and the file. */
export async function receiveInto(file: FileHandle, stream: Readable, expected: Expected): Promise<Facts> {
  const { declared, maxBytes, limits } = expected
  const blocks = openBlocks(file)
  let head: Buffer | undefined = Buffer.alloc(0)
  const keep = (piece: Buffer): Promise<void> | undefined => {
    if (blocks.size() + piece.length > maxBytes)
      throw new Fault(413, `The image is larger than the ${maxBytes} bytes that it may have.`)
    return blocks.add(piece)
  }
  const lookAndKeep = async (piece: Buffer, declaredFormat: string, seen: Buffer): Promise<void> => {
    head = Buffer.concat([seen, piece.subarray(0, HEAD_BYTES - seen.length)])
    if (head.length === HEAD_BYTES) {
      const reason = await refusedByHead(head, declaredFormat, limits)
      if (reason !== undefined) throw refused(reason)
      head = undefined
    }
    await keep(piece)
  }
  try {
    await eachPiece(stream, (piece) => (head && declared !== null ? lookAndKeep(piece, declared, head) : keep(piece)))
    const sums = await blocks.finish()
    const finding = declared === null ? undefined : await inspect(await bytesOfFile(file), declared, limits)
    if (finding?.kind === 'refused') throw refused(finding.reason)
    return { sizeBytes: blocks.size(), virtualSizeBytes: finding?.virtualBytes ?? null, ...sums }
  } finally {
    await blocks.close()
  }
}
