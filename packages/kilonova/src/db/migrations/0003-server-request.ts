/** What was asked for a server at its creation, beside what became of it. */
export const serverRequest: readonly string[] = [
  `ALTER TABLE servers ADD COLUMN pinned_zone TEXT`,
  `ALTER TABLE servers ADD COLUMN scheduler_hints TEXT NOT NULL DEFAULT '{}'`,
]
