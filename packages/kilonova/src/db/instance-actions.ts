/** What was done to a server: a view of its tasks and their journals. Nothing is recorded for it alone. */
import type { Db } from './database.ts'

export interface InstanceEvent {
  readonly step: string
  readonly host: string | null
  readonly startedAt: number
  readonly finishedAt: number | null
  readonly result: 'Success' | 'Error' | null
  readonly reason: string | null
}

export interface InstanceAction {
  /** The task's own name, of our registry. */
  readonly task: string
  readonly taskId: string
  readonly serverId: string
  readonly projectId: string
  readonly userId: string
  readonly requestId: string
  readonly startedAt: number
  readonly updatedAt: number
  readonly finishedAt: number | null
  /** Whether it ended, and how. */
  readonly result: 'Success' | 'Error' | null
  readonly reason: string | null
}

const COLUMNS = [
  'id',
  'action',
  'server_id',
  'project_id',
  'user_id',
  'request_id',
  'created_at',
  'updated_at',
  'finished_at',
  'status',
  'error',
] as const

interface Row {
  id: string
  action: string
  server_id: string
  project_id: string
  user_id: string
  request_id: string
  created_at: number
  updated_at: number
  finished_at: number | null
  status: string
  error: string | null
}
const toAction = (row: Row): InstanceAction => ({
  task: row.action,
  taskId: row.id,
  serverId: row.server_id,
  projectId: row.project_id,
  userId: row.user_id,
  requestId: row.request_id,
  startedAt: row.created_at,
  updatedAt: row.updated_at,
  finishedAt: row.finished_at,
  result: row.status === 'succeeded' ? 'Success' : row.status === 'undone' ? 'Error' : null,
  reason: row.error,
})

export interface ActionFilter {
  readonly limit: number
  /** A request id. */
  readonly marker?: string
  readonly changedSince?: number
  readonly changedBefore?: number
}

/** Newest first. Undefined: there is no such marker. */
export async function listActions(
  db: Db,
  serverId: string,
  { limit, marker, changedSince, changedBefore }: ActionFilter,
): Promise<readonly InstanceAction[] | undefined> {
  let query = db.selectFrom('tasks').select(COLUMNS).where('server_id', '=', serverId)
  if (marker !== undefined) {
    const after = await findAction(db, serverId, marker)
    if (!after) return undefined
    query = query.where(({ or, and, eb }) =>
      or([
        eb('created_at', '<', after.startedAt),
        and([eb('created_at', '=', after.startedAt), eb('id', '<', after.taskId)]),
      ]),
    )
  }
  if (changedSince !== undefined) query = query.where('updated_at', '>=', changedSince)
  if (changedBefore !== undefined) query = query.where('updated_at', '<=', changedBefore)
  const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()
  return rows.map(toAction)
}

export async function findAction(db: Db, serverId: string, requestId: string): Promise<InstanceAction | undefined> {
  const row = await db
    .selectFrom('tasks')
    .select(COLUMNS)
    .where('server_id', '=', serverId)
    .where('request_id', '=', requestId)
    .orderBy('created_at', 'desc')
    .executeTakeFirst()
  return row && toAction(row)
}

/** One event per step, in the order they began. */
export async function eventsOf(db: Db, taskId: string): Promise<readonly InstanceEvent[]> {
  const rows = await db.selectFrom('journal').selectAll().where('task_id', '=', taskId).orderBy('number').execute()
  const events = new Map<string, InstanceEvent>()
  for (const { step, event, at, host, data } of rows) {
    const known = events.get(step)
    if (event === 'started' && !known)
      events.set(step, { step, host, startedAt: at, finishedAt: null, result: null, reason: null })
    if (!known) continue
    if (event === 'done') events.set(step, { ...known, finishedAt: at, result: 'Success' })
    if (event === 'failed')
      events.set(step, {
        ...known,
        finishedAt: at,
        result: 'Error',
        reason: data === null ? null : String(JSON.parse(data)),
      })
  }
  return [...events.values()]
}
