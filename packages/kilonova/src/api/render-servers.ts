/** A page of servers from rows to JSON text. It runs in the list thread, so it is given plain values only. */
import type { Db } from '../db/database.ts'
import { hostStatuses } from '../db/host-status.ts'
import { listServers } from '../db/server-list.ts'
import { fullPage, nextHref } from './resource.ts'
import type { ServerPageRequest } from './server-lister.ts'
import { briefView, serverView, type SeenServer } from './resources/server-view.ts'

export async function renderServers(db: Db, { detail, filter, at }: ServerPageRequest, now: number): Promise<string> {
  const rows = await listServers(db, filter, !detail ? 'brief' : at.extended && at.minor >= 3 ? 'detail and user data' : 'detail')
  const statuses = detail && at.hostStatus !== 'none' && at.minor >= 16 ? await hostStatuses(db, now, at.serviceDownMs) : {}
  const seen = rows.map((row): SeenServer => ({ row, hostStatus: row.host === null || row.host === undefined ? '' : (statuses[row.host] ?? 'UNKNOWN') }))
  const { next } = fullPage(rows, filter.limit, ({ id }) => id)
  const view = detail ? serverView : briefView
  return JSON.stringify({
    servers: seen.map((server) => view(server, at)),
    ...(next === undefined ? {} : { servers_links: [{ rel: 'next', href: nextHref(at, next) }] }),
  })
}
