/** Backup policies: rows in and out, and who runs one that is due. */
import type { Selectable } from 'kysely'
import type { BackedUp, BackupPolicy, BackupRun, Schedule } from '../domain/backup-policy.ts'
import type { Db } from './database.ts'
import type { BackupPoliciesTable } from './tables.ts'

const toPolicy = (row: Selectable<BackupPoliciesTable>): BackupPolicy => ({
  id: row.id,
  name: row.name,
  projectId: row.project_id,
  userId: row.user_id,
  schedule: JSON.parse(row.schedule) as Schedule,
  rotation: row.rotation,
  servers: JSON.parse(row.servers) as BackedUp,
  enabled: row.enabled === 1,
  nextRunAt: row.next_run_at,
  lastRun: row.last_run === null ? null : (JSON.parse(row.last_run) as BackupRun),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

const columns = ({ name, schedule, rotation, servers, enabled, nextRunAt, updatedAt }: BackupPolicy) => ({
  name,
  schedule: JSON.stringify(schedule),
  rotation,
  servers: JSON.stringify(servers),
  enabled: Number(enabled),
  next_run_at: nextRunAt,
  updated_at: updatedAt,
})

export async function insertBackupPolicy(db: Db, policy: BackupPolicy): Promise<void> {
  const { id, projectId, userId, createdAt } = policy
  await db
    .insertInto('backup_policies')
    .values({
      id,
      project_id: projectId,
      user_id: userId,
      ...columns(policy),
      claimed_until: 0,
      last_run: null,
      created_at: createdAt,
    })
    .execute()
}

export async function changeBackupPolicy(db: Db, policy: BackupPolicy): Promise<void> {
  await db.updateTable('backup_policies').set(columns(policy)).where('id', '=', policy.id).execute()
}

export async function deleteBackupPolicy(db: Db, id: string): Promise<void> {
  await db.deleteFrom('backup_policies').where('id', '=', id).execute()
}

export async function findBackupPolicy(db: Db, id: string): Promise<BackupPolicy | undefined> {
  const row = await db.selectFrom('backup_policies').selectAll().where('id', '=', id).executeTakeFirst()
  return row && toPolicy(row)
}

/** Oldest first; of all projects when none is named. */
export async function listBackupPolicies(db: Db, projectId: string | undefined): Promise<readonly BackupPolicy[]> {
  const all = db.selectFrom('backup_policies').selectAll().orderBy('number')
  return (await (projectId === undefined ? all : all.where('project_id', '=', projectId)).execute()).map(toPolicy)
}

/** Those that are due, each for this caller alone until then: who dies meanwhile leaves it to the next. */
export async function claimDuePolicies(db: Db, now: number, until: number): Promise<readonly BackupPolicy[]> {
  const rows = await db
    .updateTable('backup_policies')
    .set({ claimed_until: until })
    .where('enabled', '=', 1)
    .where('next_run_at', '<=', now)
    .where('claimed_until', '<', now)
    .returningAll()
    .execute()
  return rows.map(toPolicy)
}

/** Nothing happens when it was changed meanwhile: then it has its next time already. */
export async function endPolicyRun(
  db: Db,
  { id, nextRunAt }: BackupPolicy,
  run: BackupRun,
  next: number,
): Promise<void> {
  await db
    .updateTable('backup_policies')
    .set({ claimed_until: 0, last_run: JSON.stringify(run) })
    .where('id', '=', id)
    .execute()
  await db
    .updateTable('backup_policies')
    .set({ next_run_at: next })
    .where('id', '=', id)
    .where('next_run_at', '=', nextRunAt)
    .execute()
}
