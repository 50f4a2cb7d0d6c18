/** Policies by which servers are backed up; whoever runs one has it until `claimed_until`. */
export const backupPolicies: readonly string[] = [
  `CREATE TABLE backup_policies (
    number $SERIAL, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, project_id TEXT NOT NULL, user_id TEXT NOT NULL,
    schedule TEXT NOT NULL, rotation BIGINT NOT NULL, servers TEXT NOT NULL, enabled BIGINT NOT NULL, next_run_at BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL, last_run TEXT, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL)`,
  `CREATE INDEX backup_policies_by_project ON backup_policies (project_id)`,
  `CREATE INDEX backup_policies_due ON backup_policies (next_run_at) WHERE enabled = 1`,
]
