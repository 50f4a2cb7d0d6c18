/** Pages of servers as bytes: read, seen and serialised in a thread of their own over SQLite, in this one over other databases. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Kysely } from 'kysely'
import type { ServerFilter } from '../db/server-list.ts'
import type { Tables } from '../db/tables.ts'
import { listThread } from './list-thread.ts'
import { renderServers } from './render-servers.ts'
import type { ServerAt } from './resources/server-view.ts'

export interface ServerPageRequest {
  readonly detail: boolean
  readonly filter: ServerFilter
  readonly at: ServerAt
}

export interface ServerLister {
  /** JSON. Errors: NovaError MarkerNotFound, BadRequest. */
  page(request: ServerPageRequest): Promise<Buffer>
  close(): Promise<void>
}

interface Reach {
  readonly db: Kysely<Tables>
  readonly clock: Clock
}

export function openLister({ db, clock }: Reach, file: string | undefined): ServerLister {
  if (file === undefined)
    return { page: (request) => renderServers(db, request, clock.now()), close: async () => undefined }
  return listThread(db, file, clock)
}
