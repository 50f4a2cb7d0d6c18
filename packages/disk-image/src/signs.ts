/** The marks by which formats are known, wherever they lie. A file that bears two of them may be read as either, so it is neither. */
import type { Bytes } from './bytes.ts'
import { isQcow2 } from './qcow2.ts'
import { isVdi } from './vdi.ts'
import { isVhd } from './vhd.ts'
import { isVhdx } from './vhdx.ts'
import { isVmdk } from './vmdk.ts'

/** So many bytes of the head hold every mark there is but the one at the end. */
export const HEAD_BYTES = 36 * 1024
const TAIL_BYTES = 512
/** ISO 9660 keeps its first 16 sectors of 2048 bytes free; descriptors follow, each with this mark. */
const ISO_MARK_AT = 16 * 2048 + 1

const text = (part: Buffer, mark: string, at = 0): boolean => part.toString('latin1', at, at + mark.length) === mark

/** In the order in which they are named; those we cannot look into are known too, so that they are not taken for raw. */
const SIGNS: readonly (readonly [string, (head: Buffer) => boolean])[] = [
  ['qcow2', isQcow2],
  ['vmdk', isVmdk],
  ['vdi', isVdi],
  ['vhdx', isVhdx],
  ['vhd', isVhd],
  ['luks', (head) => text(head, 'LUKS\xba\xbe')],
  ['qed', (head) => text(head, 'QED\0')],
  ['ploop', (head) => text(head, 'WithoutFreeSpace') || text(head, 'WithouFreSpacExt')],
  ['bochs', (head) => text(head, 'Bochs Virtual HD Image')],
  ['cloop', (head) => text(head, '#!/bin/sh\n#V2.0 Format\n')],
  ['iso', (head) => text(head, 'CD001', ISO_MARK_AT)],
]

export const signsInHead = (head: Buffer): readonly string[] =>
  SIGNS.filter(([, isIn]) => isIn(head)).map(([format]) => format)

export async function signsOf(bytes: Bytes): Promise<readonly string[]> {
  const tail = await bytes.read(Math.max(0, bytes.size - TAIL_BYTES), TAIL_BYTES)
  const atEnd = [...(isVhd(tail) ? ['vhd'] : []), ...(text(tail, 'koly') ? ['dmg'] : [])]
  return [...new Set([...signsInHead(await bytes.read(0, HEAD_BYTES)), ...atEnd])]
}
