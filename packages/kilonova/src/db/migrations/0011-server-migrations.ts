/** Migrations of servers, and what the audits of hosts found. */
export const serverMigrations: readonly string[] = [
  `CREATE TABLE server_migrations (
    number $SERIAL, id TEXT NOT NULL UNIQUE, server_id TEXT NOT NULL, project_id TEXT NOT NULL, user_id TEXT NOT NULL,
    type TEXT NOT NULL, status TEXT NOT NULL, source_host TEXT, source_hypervisor TEXT, dest_host TEXT, dest_hypervisor TEXT, dest_ip TEXT,
    old_flavor_number BIGINT, new_flavor_number BIGINT, progress TEXT, hidden INTEGER NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT)`,
  `CREATE INDEX server_migrations_by_server ON server_migrations (server_id, type, status)`,
  `CREATE INDEX server_migrations_by_age ON server_migrations (created_at)`,
  `CREATE TABLE usage_audits (
    host TEXT NOT NULL, period_start BIGINT NOT NULL, period_end BIGINT NOT NULL, state TEXT NOT NULL, servers INTEGER NOT NULL,
    errors INTEGER NOT NULL, message TEXT NOT NULL, PRIMARY KEY (host, period_start, period_end))`,
]
