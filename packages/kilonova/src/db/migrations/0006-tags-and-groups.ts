/** Tags of servers; server groups, and which one a server is in; how the servers of one request were placed. */
export const tagsAndGroups: readonly string[] = [
  `ALTER TABLE servers ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'`,
  `ALTER TABLE servers ADD COLUMN group_id TEXT`,
  `CREATE INDEX servers_by_group ON servers (group_id) WHERE group_id IS NOT NULL`,
  `CREATE INDEX servers_by_reservation ON servers (reservation_id)`,
  `CREATE TABLE server_groups (
    number $SERIAL, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, project_id TEXT NOT NULL, user_id TEXT NOT NULL,
    policy TEXT NOT NULL, max_per_host INTEGER, created_at BIGINT NOT NULL)`,
  `CREATE INDEX server_groups_by_project ON server_groups (project_id)`,
  `CREATE TABLE placements (reservation_id TEXT PRIMARY KEY, explanation TEXT, decided_at BIGINT NOT NULL)`,
]
