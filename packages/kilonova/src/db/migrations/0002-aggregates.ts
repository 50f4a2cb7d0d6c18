/** Host aggregates. */
export const aggregates: readonly string[] = [
  `CREATE TABLE aggregates (
    number $SERIAL, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, metadata TEXT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT)`,
  `CREATE TABLE aggregate_hosts (aggregate_number BIGINT NOT NULL, host TEXT NOT NULL, added_at BIGINT NOT NULL, PRIMARY KEY (aggregate_number, host))`,
]
