/** Where a shelved server's disk is kept, and from what image a rescued one runs. */
export const shelvedAndRescued: readonly string[] = [
  `ALTER TABLE servers ADD COLUMN shelved TEXT`,
  `ALTER TABLE servers ADD COLUMN rescue TEXT`,
]
