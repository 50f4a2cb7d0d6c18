/** Who locked a server and why; since when it waits to be reclaimed. What waits counts for no quota. */
export const locksAndSoftDeletion: readonly string[] = [
  `ALTER TABLE servers ADD COLUMN locked_by TEXT`,
  `ALTER TABLE servers ADD COLUMN locked_reason TEXT`,
  `ALTER TABLE servers ADD COLUMN soft_deleted_at BIGINT`,
  `CREATE INDEX servers_to_reclaim ON servers (soft_deleted_at) WHERE soft_deleted_at IS NOT NULL`,
  `DROP INDEX servers_for_quota`,
  `CREATE INDEX servers_for_quota ON servers (project_id, vcpus, memory_mb) WHERE deleted_at IS NULL AND vm_state <> 'soft-delete'`,
]
