/** Guards: rows that a claim locks first, in id order, so that what it sums cannot change under it. */
import type { Db } from './database.ts'

/** On PostgreSQL `SELECT … FOR UPDATE`; a database with one connection (SQLite, `BEGIN IMMEDIATE`) already keeps everybody else out. */
export async function lockGuards(db: Db, ids: readonly string[]): Promise<void> {
  if (!db.getExecutor().adapter.supportsMultipleConnections) return
  for (const id of [...new Set(ids)].toSorted()) {
    await db
      .insertInto('guards')
      .values({ id })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute()
    await db.selectFrom('guards').select('id').where('id', '=', id).forUpdate().execute()
  }
}
