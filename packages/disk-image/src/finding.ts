/** What an inspection comes to: an image that may be used, or why it may not. Thrown within the package, returned at its door. */
import type { PartitionTable } from './partition-table.ts'

export type Format = 'raw' | 'qcow2' | 'vmdk' | 'vdi' | 'vhd' | 'vhdx' | 'iso'

export interface Limits {
  /** A disk that says it is larger is refused. */
  readonly maxVirtualBytes: number
  /** `createType`s of vmdk. Those whose data lie in other files never pass, whatever is said here. */
  readonly vmdkTypes: readonly string[]
}

/** As Nova and Glance allow them. */
export const DEFAULT_LIMITS: Limits = {
  maxVirtualBytes: 16 * 1024 ** 4,
  vmdkTypes: ['monolithicSparse', 'streamOptimized'],
}

export type Finding =
  | {
      readonly kind: 'usable'
      readonly format: Format
      /** Of the disk inside. */
      readonly virtualBytes: number
      readonly partitionTable?: PartitionTable | undefined
    }
  /** `it has a backing file`: the end of a sentence that begins with the image. */
  | { readonly kind: 'refused'; readonly reason: string }

export class Refusal extends Error {
  override readonly name = 'Refusal'
}

export function refuse(reason: string): never {
  throw new Refusal(reason)
}

/** Part of a file that must be there whole. */
export function whole(part: Buffer, length: number, what: string): Buffer {
  return part.length >= length ? part : refuse(`${what} is cut short`)
}

/** A 64-bit number of a header as a count or an offset. */
export function modest(value: bigint, what: string): number {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : refuse(`${what} cannot be true`)
}

/** A table that a header speaks of lies in the file. */
export function mustLieWithin(offset: number, length: number, size: number, what: string): void {
  if (offset > size || length > size - offset) refuse(`${what} lies beyond the end of the file`)
}
