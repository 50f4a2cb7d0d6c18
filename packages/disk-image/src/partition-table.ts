/** Which partition table a raw disk or a hybrid CD begins with. It harms nobody: no program of the host reads it. */
export type PartitionTable = 'gpt' | 'mbr'

const SECTOR = 512
const ENTRIES_AT = 446
const ENTRY_BYTES = 16
const PROTECTIVE = 0xee

export function partitionTableOf(head: Buffer): PartitionTable | undefined {
  if (head.length < SECTOR || head.readUInt16LE(510) !== 0xaa55) return undefined
  const entries = [0, 1, 2, 3].map((index) => head.subarray(ENTRIES_AT + index * ENTRY_BYTES).subarray(0, ENTRY_BYTES))
  // A boot sector without partitions ends with the same two bytes.
  if (!entries.every(([active = 0]) => active === 0 || active === 0x80)) return undefined
  const types = entries.map((entry) => entry[4] ?? 0).filter((type) => type !== 0)
  if (types.includes(PROTECTIVE) && head.toString('latin1', SECTOR, SECTOR + 8) === 'EFI PART') return 'gpt'
  return types.length > 0 ? 'mbr' : undefined
}
