/** Kysely over `node:sqlite`: one writing connection, WAL. What was committed survives a kill always, a power loss with `full`. */
import { closeSync, openSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { SqliteDialect, type SqliteDatabase, type SqliteStatement } from 'kysely'

export interface SqliteOptions {
  /** A path, or `:memory:`. */
  readonly file: string
  readonly synchronous: 'normal' | 'full'
  readonly readOnly?: boolean
}

const MAX_STATEMENTS = 500

export function openSqlite({ file, synchronous, readOnly = false }: SqliteOptions): DatabaseSync {
  // Nobody else may read it: SQLite would make it as the umask has it. Its journal files take its mode.
  if (!readOnly && file !== ':memory:') closeSync(openSync(file, 'a', 0o600))
  const database = new DatabaseSync(file, { readOnly, timeout: 10_000 })
  if (!readOnly)
    database.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;`,
    )
  return database
}

/** Booleans are stored as 0 and 1 on every database. */
const bindable = (value: unknown): SQLInputValue =>
  typeof value === 'boolean' ? Number(value) : value === undefined ? null : (value as SQLInputValue)

class Statement implements SqliteStatement {
  readonly #statement: StatementSync
  readonly reader: boolean
  constructor(statement: StatementSync) {
    this.#statement = statement
    this.reader = statement.columns().length > 0
  }
  all(parameters: readonly unknown[]): unknown[] {
    return this.#statement.all(...parameters.map(bindable))
  }
  run(parameters: readonly unknown[]) {
    return this.#statement.run(...parameters.map(bindable))
  }
  iterate(parameters: readonly unknown[]): IterableIterator<unknown> {
    return this.#statement.iterate(...parameters.map(bindable))
  }
}

/** A transaction takes the write lock at once (`BEGIN IMMEDIATE`): what it reads is what it will write over. */
export function sqliteDialect(database: DatabaseSync): SqliteDialect {
  const statements = new Map<string, Statement>()
  const adapter: SqliteDatabase = {
    close: () => database.close(),
    prepare: (sql) => {
      const known = statements.get(sql)
      if (known) return known
      const statement = new Statement(database.prepare(sql === 'begin' ? 'begin immediate' : sql))
      if (statements.size >= MAX_STATEMENTS) statements.clear()
      statements.set(sql, statement)
      return statement
    },
  }
  return new SqliteDialect({ database: adapter })
}
