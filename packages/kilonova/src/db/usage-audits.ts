/** Usage audits: how many servers a host had in a period. One row per host and period, written whole. */
import type { Kysely } from 'kysely'
import type { Span } from '../domain/audit-period.ts'
import { atomically, type Db } from './database.ts'
import type { Tables } from './tables.ts'

export interface UsageAudit {
  readonly host: string
  readonly state: string
  readonly servers: number
  readonly errors: number
  readonly message: string
}
export interface AuditedServer {
  readonly id: string
  readonly projectId: string
  readonly userId: string
  readonly vmState: string
  readonly launchedAt: number | null
  readonly terminatedAt: number | null
}

export async function auditsOf(db: Db, { begin, end }: Span): Promise<readonly UsageAudit[]> {
  return db
    .selectFrom('usage_audits')
    .select(['host', 'state', 'servers', 'errors', 'message'])
    .where('period_start', '=', begin)
    .where('period_end', '=', end)
    .orderBy('host')
    .execute()
}

/** The servers that ran on the host in the period; undefined: somebody audited it already. */
export const auditHost = (
  db: Kysely<Tables>,
  host: string,
  { begin, end }: Span,
): Promise<readonly AuditedServer[] | undefined> =>
  atomically(db, async (tx) => {
    const rows = await tx
      .selectFrom('servers')
      .select(['id', 'project_id', 'user_id', 'vm_state', 'launched_at', 'terminated_at'])
      .where('host', '=', host)
      .where('launched_at', '<', end)
      .where(({ or, eb }) => or([eb('terminated_at', 'is', null), eb('terminated_at', '>', begin)]))
      .orderBy('number')
      .execute()
    const { numInsertedOrUpdatedRows = 0n } = await tx
      .insertInto('usage_audits')
      .values({
        host,
        period_start: begin,
        period_end: end,
        state: 'DONE',
        servers: rows.length,
        errors: 0,
        message: `Instance usage audit ran for host ${host}, ${rows.length} instances.`,
      })
      .onConflict((conflict) => conflict.columns(['host', 'period_start', 'period_end']).doNothing())
      .executeTakeFirst()
    if (numInsertedOrUpdatedRows === 0n) return undefined
    return rows.map((row) => ({
      id: row.id,
      projectId: row.project_id,
      userId: row.user_id,
      vmState: row.vm_state,
      launchedAt: row.launched_at,
      terminatedAt: row.terminated_at,
    }))
  })
