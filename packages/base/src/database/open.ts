/** Opens a database by URL: `sqlite:<file>`, `sqlite::memory:` or `postgresql://…`. The same query functions run on both. */
import { createRequire } from 'node:module'
import { Kysely, PostgresDialect } from 'kysely'
import type Pg from 'pg'
import { openSqlite, sqliteDialect } from './sqlite.ts'

export interface DatabaseOptions {
  readonly url: string
  /** SQLite only: `full` also survives a power loss. */
  readonly synchronous: 'normal' | 'full'
}

export interface Database<Tables> {
  readonly kysely: Kysely<Tables>
  readonly kind: 'sqlite' | 'postgresql'
  close(): Promise<void>
}

export function openDatabase<Tables>({ url, synchronous }: DatabaseOptions): Database<Tables> {
  if (url.startsWith('sqlite:')) {
    const kysely = new Kysely<Tables>({
      dialect: sqliteDialect(openSqlite({ file: url.slice('sqlite:'.length), synchronous })),
    })
    return { kysely, kind: 'sqlite', close: () => kysely.destroy() }
  }
  if (!/^postgres(ql)?:\/\//.test(url))
    throw new Error(`database url must start with sqlite: or postgresql://, not ${url.split(':')[0]}:`)
  // Loaded only where it is used: it costs memory.
  const pg = createRequire(import.meta.url)('pg') as typeof Pg
  pg.types.setTypeParser(pg.types.builtins.INT8, Number)
  const kysely = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: 20 }) }),
  })
  return { kysely, kind: 'postgresql', close: () => kysely.destroy() }
}
