/** Compute hosts: what they report, when they were last seen, and what operators decided about them. */
import { newId } from '@kilonova/base/clock.ts'
import type { Selectable } from 'kysely'
import type { Host, HostReport } from '../domain/host.ts'
import type { Db } from './database.ts'
import type { HostsTable } from './tables.ts'

const toHost = (row: Selectable<HostsTable>): Host => ({
  ...(JSON.parse(row.report) as HostReport),
  id: row.id,
  serviceId: row.service_id,
  number: row.number,
  disabled: row.disabled === 1,
  disabledReason: row.disabled_reason,
  forcedDown: row.forced_down === 1,
  lastSeenAt: row.last_seen_at,
  availabilityZone: row.availability_zone,
})

export async function allHosts(db: Db): Promise<readonly Host[]> {
  const rows = await db.selectFrom('hosts').selectAll().orderBy('number').execute()
  return rows.map(toHost)
}

export async function findHost(db: Db, host: string): Promise<Host | undefined> {
  const row = await db.selectFrom('hosts').selectAll().where('host', '=', host).executeTakeFirst()
  return row && toHost(row)
}

/** Keeps a host's report; a new host begins enabled in the default zone. */
export async function keepReport(db: Db, report: HostReport, zone: string, now: number): Promise<void> {
  const text = JSON.stringify(report)
  const { numUpdatedRows } = await db
    .updateTable('hosts')
    .set({ report: text, last_seen_at: now })
    .where('host', '=', report.host)
    .executeTakeFirst()
  if (numUpdatedRows > 0n) return
  await db
    .insertInto('hosts')
    .values({
      id: newId(),
      service_id: newId(),
      host: report.host,
      report: text,
      disabled: 0,
      disabled_reason: null,
      forced_down: 0,
      last_seen_at: now,
      availability_zone: zone,
      created_at: now,
    })
    .onConflict((conflict) => conflict.column('host').doUpdateSet({ report: text, last_seen_at: now }))
    .execute()
}

export const isUp = (host: Pick<Host, 'forcedDown' | 'lastSeenAt'>, now: number, downAfterMs: number): boolean =>
  !host.forcedDown && now - host.lastSeenAt <= downAfterMs
