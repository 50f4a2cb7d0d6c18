/** Which zone each compute host is in: what availability zones are made of. */
import type { Db } from './database.ts'

export interface HostZone {
  readonly host: string
  readonly hypervisorHostname: string
  readonly zone: string
  readonly disabled: boolean
  readonly forcedDown: boolean
  readonly lastSeenAt: number
}

export async function zonesOf(db: Db): Promise<readonly HostZone[]> {
  const rows = await db
    .selectFrom('hosts')
    .select(['host', 'report', 'availability_zone', 'disabled', 'forced_down', 'last_seen_at'])
    .orderBy('number')
    .execute()
  return rows.map((row) => ({
    host: row.host,
    hypervisorHostname: (JSON.parse(row.report) as { hypervisorHostname: string }).hypervisorHostname,
    zone: row.availability_zone,
    disabled: row.disabled === 1,
    forcedDown: row.forced_down === 1,
    lastSeenAt: row.last_seen_at,
  }))
}
