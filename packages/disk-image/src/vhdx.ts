/** Microsoft's vhdx: without a parent, with nothing left in its log. Format: MS-VHDX. */
import type { Bytes } from './bytes.ts'
import { modest, mustLieWithin, refuse, whole } from './finding.ts'

const HEADERS_AT = [64 * 1024, 128 * 1024] as const
const REGIONS_AT = 192 * 1024
const REGION_TABLE_BYTES = 64 * 1024
const MAX_REGIONS = 2047
const METADATA_TABLE_BYTES = 64 * 1024
const MAX_ITEMS = 2047
const ENTRY_BYTES = 32
const HAS_PARENT = 2
/** GUIDs as they lie in the file. */
const METADATA_REGION = '06a27c8b90479a4bb8fe575f050f886e'
const FILE_PARAMETERS = '3767a1ca36fa434db3b633f0aa44e76b'
const VIRTUAL_DISK_SIZE = '2442a52f1bcd7648b2115dbed83bf4b8'
const NO_GUID = '0'.repeat(32)

export const isVhdx = (head: Buffer): boolean => head.toString('latin1', 0, 8) === 'vhdxfile'

const guidAt = (table: Buffer, at: number): string => table.toString('hex', at, at + 16)

export async function inspectVhdx(bytes: Bytes): Promise<number> {
  for (const at of HEADERS_AT) {
    const header = whole(await bytes.read(at, 80), 80, 'its vhdx header')
    if (header.toString('latin1', 0, 4) === 'head' && guidAt(header, 48) !== NO_GUID)
      refuse('it was not closed: its log holds changes')
  }
  const metadataAt = await findMetadata(bytes)
  const table = whole(await bytes.read(metadataAt, METADATA_TABLE_BYTES), ENTRY_BYTES, 'its metadata')
  if (table.toString('latin1', 0, 8) !== 'metadata') refuse('its metadata are missing')
  const count = table.readUInt16LE(10)
  if (count > MAX_ITEMS) refuse('its metadata cannot be true')
  whole(table, ENTRY_BYTES * (count + 1), 'its metadata')
  const item = async (guid: string, length: number): Promise<Buffer> => {
    const places = Array.from({ length: count }, (_, index) => ENTRY_BYTES * (index + 1)).filter(
      (at) => guidAt(table, at) === guid,
    )
    const [at] = places
    if (at === undefined || places.length > 1) return refuse('its metadata do not say what it is')
    return whole(await bytes.read(metadataAt + table.readUInt32LE(at + 16), length), length, 'its metadata')
  }
  if (((await item(FILE_PARAMETERS, 8)).readUInt32LE(4) & HAS_PARENT) !== 0) refuse('it stands on another image')
  return modest((await item(VIRTUAL_DISK_SIZE, 8)).readBigUInt64LE(0), 'its virtual size')
}

async function findMetadata(bytes: Bytes): Promise<number> {
  const table = whole(await bytes.read(REGIONS_AT, REGION_TABLE_BYTES), 16, 'its table of regions')
  if (table.toString('latin1', 0, 4) !== 'regi') refuse('its table of regions is missing')
  const count = table.readUInt32LE(8)
  if (count > MAX_REGIONS) refuse('its table of regions cannot be true')
  whole(table, 16 + ENTRY_BYTES * count, 'its table of regions')
  for (let at = 16; at < 16 + ENTRY_BYTES * count; at += ENTRY_BYTES)
    if (guidAt(table, at) === METADATA_REGION) {
      const offset = modest(table.readBigUInt64LE(at + 16), 'the place of its metadata')
      mustLieWithin(offset, table.readUInt32LE(at + 24), bytes.size, 'its metadata')
      return offset
    }
  return refuse('its metadata are missing')
}
