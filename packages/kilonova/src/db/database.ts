/** Our database: opened by URL and brought up to date. Query functions take a `Db`, so they run inside a transaction or alone. */
import { openDatabase, type Database, type DatabaseOptions } from '@kilonova/base/database/open.ts'
import { migrate } from '@kilonova/base/database/migrate.ts'
import type { Kysely, Transaction } from 'kysely'
import { migrationsFor } from './migrations/index.ts'
import type { Tables } from './tables.ts'

export type Db = Kysely<Tables> | Transaction<Tables>
export type KilonovaDatabase = Database<Tables>

export async function openKilonovaDatabase(options: DatabaseOptions): Promise<KilonovaDatabase> {
  const database = openDatabase<Tables>(options)
  await migrate(database.kysely, migrationsFor(database.kind))
  return database
}

/** Runs queries as one transaction; on SQLite it holds the write lock from the start. Only queries are awaited inside. */
export const atomically = <T>(db: Kysely<Tables>, work: (tx: Transaction<Tables>) => Promise<T>): Promise<T> =>
  db.transaction().execute(work)
