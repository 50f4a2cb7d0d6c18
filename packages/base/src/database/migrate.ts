/** Numbered, append-only migrations. Each is a list of portable SQL statements run in one transaction. */
import { sql, type Kysely } from 'kysely'

/** The key sorts: `0001-servers`. Once released an entry is never changed. */
export type Migrations = Readonly<Record<string, readonly string[]>>

/** Brings the database up to date and returns the names of what was applied. */
export async function migrate<Tables>(database: Kysely<Tables>, migrations: Migrations): Promise<readonly string[]> {
  await sql`CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY)`.execute(database)
  const { rows } = await sql<{ name: string }>`SELECT name FROM schema_migrations`.execute(database)
  const applied = new Set(rows.map(({ name }) => name))
  const missing = Object.keys(migrations)
    .filter((name) => !applied.has(name))
    .toSorted()
  for (const name of missing)
    await database.transaction().execute(async (tx) => {
      for (const statement of migrations[name] ?? []) await sql.raw(statement).execute(tx)
      await sql`INSERT INTO schema_migrations (name) VALUES (${name})`.execute(tx)
    })
  return missing
}
