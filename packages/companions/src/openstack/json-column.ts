/** Rows of a second table gathered into one JSON column, so that a list is one query on SQLite and on PostgreSQL. */
import { sql, type RawBuilder } from 'kysely'

export type DatabaseKind = 'sqlite' | 'postgresql'

/** A JSON array, as text, of the column `item` of a query. */
export const jsonArray = (kind: DatabaseKind, items: RawBuilder<unknown>): RawBuilder<string> =>
  kind === 'sqlite'
    ? sql<string>`(select json_group_array(gathered.item) from (${items}) as gathered)`
    : sql<string>`(select coalesce(json_agg(gathered.item), '[]')::text from (${items}) as gathered)`

/** A JSON object, as text, of the columns `name` and `item` of a query. */
export const jsonObject = (kind: DatabaseKind, items: RawBuilder<unknown>): RawBuilder<string> =>
  kind === 'sqlite'
    ? sql<string>`(select json_group_object(gathered.name, gathered.item) from (${items}) as gathered)`
    : sql<string>`(select coalesce(json_object_agg(gathered.name, gathered.item), '{}')::text from (${items}) as gathered)`

/** A JSON array, as text, of objects with the given columns of a query. */
export function jsonRows(kind: DatabaseKind, names: readonly string[], items: RawBuilder<unknown>): RawBuilder<string> {
  const pairs = sql.join(names.flatMap((name) => [sql.lit(name), sql.ref(`gathered.${name}`)]))
  return kind === 'sqlite'
    ? sql<string>`(select json_group_array(json_object(${pairs})) from (${items}) as gathered)`
    : sql<string>`(select coalesce(json_agg(json_build_object(${pairs})), '[]')::text from (${items}) as gathered)`
}

/** Most lists are empty: those need no parser. */
export const fromJson = (json: string): unknown => (json === '[]' ? [] : json === '{}' ? {} : JSON.parse(json))
export const strings = (json: string): readonly string[] => fromJson(json) as string[]
