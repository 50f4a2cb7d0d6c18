/** A page of servers from rows to bytes of JSON. It runs in the list thread, so it is given plain values only. */
import type { Db } from '../db/database.ts'
import { hostStatuses } from '../db/host-status.ts'
import { listServers } from '../db/server-list.ts'
import { nextHref } from './resource.ts'
import { pageBytes } from './page-bytes.ts'
import { briefView, serverView, unseenColumns } from './resources/server-view.ts'
import type { ServerPageRequest } from './server-lister.ts'
import { json } from './text-view.ts'

export async function renderServers(
  db: Db,
  { detail, filter, at }: ServerPageRequest,
  now: number,
): Promise<Buffer<ArrayBuffer>> {
  const statuses =
    detail && at.hostStatus !== 'none' && at.minor >= 16 ? await hostStatuses(db, now, at.serviceDownMs) : {}
  const view = detail ? serverView : briefView
  const page = pageBytes()
  try {
    page.add('{"servers":[')
    let [count, marker] = [0, '']
    for await (const rows of listServers(
      db,
      filter,
      detail ? { userData: at.extended && at.minor >= 3, without: unseenColumns(at) } : 'brief',
    ))
      for (const row of rows) {
        const hostStatus = row.host === null || row.host === undefined ? '' : (statuses[row.host] ?? 'UNKNOWN')
        page.add(count++ === 0 ? view({ row, hostStatus }, at) : `,${view({ row, hostStatus }, at)}`)
        marker = row.id
      }
    // A full page is followed by another one, as upstream has it: the last may be empty.
    const full = count > 0 && count >= filter.limit
    page.add(full ? `],"servers_links":${json([{ rel: 'next', href: nextHref(at, marker) }])}}` : ']}')
    return page.bytes()
  } finally {
    page.close()
  }
}
