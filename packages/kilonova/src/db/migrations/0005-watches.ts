/** Who watches what only one daemon may watch at a time. */
export const watches: readonly string[] = [
  `CREATE TABLE watches (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    held_until BIGINT NOT NULL
  )`,
]
