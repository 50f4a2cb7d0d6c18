/** Tasks and their journals: admitted, leased, journalled, ended. Every write of a runner is conditional on its epoch. */
import { sql, type Selectable } from 'kysely'
import type { Db } from './database.ts'
import type { JournalTable, TasksTable } from './tables.ts'

export type TaskRow = Selectable<TasksTable>
export type JournalRow = Selectable<JournalTable>

export interface NewTask {
  readonly id: string
  readonly action: string
  readonly serverId: string
  readonly projectId: string
  readonly userId: string
  readonly requestId: string
  readonly body: unknown
  readonly admitted: unknown
  readonly afterTaskId: string | null
}

/** `ended`: it was done at once, and is only among what was done to the server. */
export async function insertTask(
  db: Db,
  task: NewTask,
  now: number,
  ended?: { readonly status: 'succeeded' | 'undone'; readonly error: string | null },
): Promise<void> {
  await db
    .insertInto('tasks')
    .values({
      id: task.id,
      action: task.action,
      server_id: task.serverId,
      project_id: task.projectId,
      user_id: task.userId,
      request_id: task.requestId,
      body: JSON.stringify(task.body ?? null),
      admitted: JSON.stringify(task.admitted),
      status: ended?.status ?? 'pending',
      owner: null,
      leased_until: 0,
      epoch: 0,
      cancelled_by: null,
      after_task_id: task.afterTaskId,
      attempts: 0,
      run_at: now,
      error: ended?.error ?? null,
      progress: 0,
      created_at: now,
      updated_at: now,
      finished_at: ended ? now : null,
    })
    .execute()
}

export async function cancelTask(db: Db, id: string, by: string, now: number): Promise<void> {
  // A task that waits to be tried again need not wait any longer to be undone.
  await db
    .updateTable('tasks')
    .set({ cancelled_by: by, run_at: now, updated_at: now })
    .where('id', '=', id)
    .where('finished_at', 'is', null)
    .execute()
}

/** Open tasks that may be taken: due, not leased, and not waiting for another. Oldest first. */
export async function dueTasks(db: Db, now: number, limit: number): Promise<readonly TaskRow[]> {
  return db
    .selectFrom('tasks')
    .selectAll()
    .where('finished_at', 'is', null)
    .where('run_at', '<=', now)
    .where('leased_until', '<', now)
    .where(({ or, eb, not, exists, selectFrom }) =>
      or([
        eb('after_task_id', 'is', null),
        not(
          exists(
            selectFrom('tasks as earlier')
              .select('earlier.id')
              .whereRef('earlier.id', '=', 'tasks.after_task_id')
              .where('earlier.finished_at', 'is', null),
          ),
        ),
      ]),
    )
    .orderBy('created_at')
    .limit(limit)
    .execute()
}

export async function findTask(db: Db, id: string): Promise<TaskRow | undefined> {
  return db.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirst()
}

/** Whether a request has a task on the server, over or not. */
export async function isRequestOf(db: Db, serverId: string, requestId: string): Promise<boolean> {
  const row = await db
    .selectFrom('tasks')
    .select('id')
    .where('server_id', '=', serverId)
    .where('request_id', '=', requestId)
    .executeTakeFirst()
  return row !== undefined
}

/** Takes the task for `owner` and returns its row as it is then; undefined when another was first. The caller gives it a new epoch. */
export async function leaseTask(
  db: Db,
  task: Pick<TaskRow, 'id' | 'epoch'>,
  owner: string,
  now: number,
  until: number,
): Promise<TaskRow | undefined> {
  return db
    .updateTable('tasks')
    .set({ owner, leased_until: until, status: 'running', updated_at: now })
    .where('id', '=', task.id)
    .where('epoch', '=', task.epoch)
    .where('finished_at', 'is', null)
    .where('leased_until', '<', now)
    .returningAll()
    .executeTakeFirst()
}

export async function setTaskEpoch(db: Db, id: string, epoch: number): Promise<void> {
  await db.updateTable('tasks').set({ epoch }).where('id', '=', id).execute()
}

/** Prolongs all leases of an owner in one statement and returns its open tasks: one that is missing was taken by another. */
export async function renewLeases(
  db: Db,
  owner: string,
  until: number,
): Promise<readonly Pick<TaskRow, 'id' | 'epoch' | 'cancelled_by'>[]> {
  return db
    .updateTable('tasks')
    .set({ leased_until: until })
    .where('owner', '=', owner)
    .where('finished_at', 'is', null)
    .returning(['id', 'epoch', 'cancelled_by'])
    .execute()
}

/** Frees all that an owner holds. */
export async function releaseLeasesBy(db: Db, owner: string): Promise<void> {
  await db
    .updateTable('tasks')
    .set({ owner: null, leased_until: 0 })
    .where('owner', '=', owner)
    .where('finished_at', 'is', null)
    .execute()
}

/** Frees what earlier incarnations of this owner (`<name>/<incarnation>`) held when they died. */
export async function releaseLeasesOf(db: Db, name: string): Promise<void> {
  const own = `${name}/`
  await db
    .updateTable('tasks')
    .set({ owner: null, leased_until: 0 })
    .where(sql`substr(owner, 1, ${sql.lit(own.length)})`, '=', own)
    .where('finished_at', 'is', null)
    .execute()
}

/** Whether the task is still leased under this epoch; on PostgreSQL the row stays locked until the transaction ends. */
export async function holds(db: Db, taskId: string, epoch: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('tasks')
    .set({ epoch: sql`epoch` })
    .where('id', '=', taskId)
    .where('epoch', '=', epoch)
    .where('finished_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

export async function readJournal(db: Db, taskId: string): Promise<readonly JournalRow[]> {
  return db.selectFrom('journal').selectAll().where('task_id', '=', taskId).orderBy('number').execute()
}

export interface NewJournalRow {
  readonly event: string
  readonly step: string
  readonly data: unknown
  readonly host: string | null
}
/** Appends after what is there; two writers cannot both get a number. */
export async function appendJournal(
  db: Db,
  taskId: string,
  from: number,
  rows: readonly NewJournalRow[],
  now: number,
): Promise<void> {
  if (rows.length === 0) return
  await db
    .insertInto('journal')
    .values(
      rows.map((row, index) => ({
        task_id: taskId,
        number: from + index,
        event: row.event,
        step: row.step,
        data: row.data === undefined ? null : JSON.stringify(row.data),
        host: row.host,
        at: now,
      })),
    )
    .execute()
}

export async function finishTask(
  db: Db,
  id: string,
  status: 'succeeded' | 'undone',
  error: string | null,
  now: number,
): Promise<void> {
  await db
    .updateTable('tasks')
    .set({ status, error, owner: null, leased_until: 0, finished_at: now, updated_at: now })
    .where('id', '=', id)
    .execute()
}

/** Who lets go of a task: its runner, known by the epoch, or whoever holds the lease under whatever epoch. */
export type Holder = { readonly epoch: number } | { readonly owner: string }

/** The task waits until `runAt`, and says why. Nothing happens when somebody else has it by now. */
export async function postponeTask(
  db: Db,
  id: string,
  holder: Holder,
  runAt: number,
  error: string,
  now: number,
): Promise<void> {
  const update = db
    .updateTable('tasks')
    .set({
      status: 'waiting',
      owner: null,
      leased_until: 0,
      run_at: runAt,
      error,
      attempts: sql`attempts + 1`,
      updated_at: now,
    })
    .where('id', '=', id)
    .where('finished_at', 'is', null)
  const held = 'epoch' in holder ? update.where('epoch', '=', holder.epoch) : update.where('owner', '=', holder.owner)
  await held.execute()
}

/** Tasks that wait for this one to end. */
export async function tasksAfter(db: Db, taskId: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('tasks')
    .select('id')
    .where('after_task_id', '=', taskId)
    .where('finished_at', 'is', null)
    .execute()
  return rows.map(({ id }) => id)
}

export async function setTaskProgress(db: Db, id: string, percent: number): Promise<void> {
  await db.updateTable('tasks').set({ progress: percent }).where('id', '=', id).execute()
}
