/** How hosts stand, by name, in the words of `host_status`. */
import type { Db } from './database.ts'
import { isUp } from './hosts.ts'

export type HostStatus = 'UP' | 'UNKNOWN' | 'DOWN' | 'MAINTENANCE'

/** Of all hosts, or of one. */
export async function hostStatuses(
  db: Db,
  now: number,
  downAfterMs: number,
  only?: string,
): Promise<Readonly<Record<string, HostStatus>>> {
  let query = db.selectFrom('hosts').select(['host', 'disabled', 'forced_down', 'last_seen_at'])
  if (only !== undefined) query = query.where('host', '=', only)
  const rows = await query.execute()
  return Object.fromEntries(
    rows.map((row) => {
      const forcedDown = row.forced_down === 1
      const status: HostStatus =
        row.disabled === 1
          ? 'MAINTENANCE'
          : forcedDown
            ? 'DOWN'
            : isUp({ forcedDown, lastSeenAt: row.last_seen_at }, now, downAfterMs)
              ? 'UP'
              : 'UNKNOWN'
      return [row.host, status]
    }),
  )
}
