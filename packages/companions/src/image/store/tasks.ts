/** Imports as rows, as `GET /v2/tasks` shows them. They go with their expiry. */
import type { Kysely, Selectable } from 'kysely'
import type { ImageTables } from './tables.ts'

export type Task = Selectable<ImageTables['image_tasks']>

/** As Glance keeps them after they ended. */
const KEPT_MS = 48 * 3600_000

export async function insertTask(
  db: Kysely<ImageTables>,
  task: Omit<Task, 'status' | 'message' | 'updated_at' | 'expires_at'>,
): Promise<void> {
  await db
    .insertInto('image_tasks')
    .values({ ...task, status: 'pending', message: '', updated_at: task.created_at, expires_at: null })
    .execute()
}

export async function startTask(db: Kysely<ImageTables>, id: string, now: number): Promise<void> {
  await db.updateTable('image_tasks').set({ status: 'processing', updated_at: now }).where('id', '=', id).execute()
}

/** `failure` undefined: it went well. */
export async function endTask(
  db: Kysely<ImageTables>,
  id: string,
  failure: string | undefined,
  now: number,
): Promise<void> {
  await db.deleteFrom('image_tasks').where('expires_at', '<', now).execute()
  await db
    .updateTable('image_tasks')
    .set({
      status: failure === undefined ? 'success' : 'failure',
      message: failure ?? '',
      updated_at: now,
      expires_at: now + KEPT_MS,
    })
    .where('id', '=', id)
    .execute()
}

/** After a restart nobody works on them. */
export async function failRunningTasks(db: Kysely<ImageTables>, now: number): Promise<void> {
  await db
    .updateTable('image_tasks')
    .set({ status: 'failure', message: 'The image service was restarted.', updated_at: now, expires_at: now + KEPT_MS })
    .where('status', 'in', ['pending', 'processing'])
    .execute()
}

export const findTask = (db: Kysely<ImageTables>, id: string): Promise<Task | undefined> =>
  db.selectFrom('image_tasks').selectAll().where('id', '=', id).executeTakeFirst()

export const tasksOf = (db: Kysely<ImageTables>, imageId: string): Promise<readonly Task[]> =>
  db.selectFrom('image_tasks').selectAll().where('image_id', '=', imageId).orderBy('created_at').orderBy('id').execute()

export interface TaskList {
  readonly status: string | undefined
  readonly type: string | undefined
  readonly limit: number
  readonly marker: Task | undefined
}

/** Newest first. */
export async function listTasks(
  db: Kysely<ImageTables>,
  { status, type, limit, marker }: TaskList,
): Promise<readonly Task[]> {
  let query = db.selectFrom('image_tasks').selectAll().orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit)
  if (status !== undefined) query = query.where('status', '=', status as Task['status'])
  if (type !== undefined) query = query.where('type', '=', type)
  if (marker)
    query = query.where((where) =>
      where.or([
        where('created_at', '<', marker.created_at),
        where.and([where('created_at', '=', marker.created_at), where('id', '<', marker.id)]),
      ]),
    )
  return query.execute()
}
