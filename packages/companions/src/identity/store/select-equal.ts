/** Lists of the identity service are short: each is one query for what must be equal, and a look at each row for the rest. */
import { sql, type SelectQueryBuilder, type SqlBool } from 'kysely'
import { last, type Query } from '../../openstack/page.ts'

export type Filters = Readonly<Record<string, 'text' | 'boolean'>>

/** A flag in a query: `?enabled=false`; also one without a value (`?effective`) is set. */
export const truth = (text: string): boolean => !/^(false|0|no|off)$/i.test(text)
export const flag = (query: Query, name: string): boolean => name in query && truth(last(query, name) ?? '')

export function selectEqual<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  filters: Filters,
  given: Query,
): SelectQueryBuilder<DB, TB, O> {
  let result = query
  for (const [name, kind] of Object.entries(filters)) {
    const value = last(given, name)
    if (value !== undefined)
      result = result.where(sql<SqlBool>`${sql.ref(name)} = ${kind === 'text' ? value : Number(truth(value))}`)
  }
  return result
}

const COMPARISONS = {
  contains: (text: string, part: string) => text.includes(part),
  startswith: (text: string, part: string) => text.startsWith(part),
  endswith: (text: string, part: string) => text.endsWith(part),
}

/** Keystone's inexact filters: `name__contains`, `name__istartswith` (for any case), … */
export function inexact<Row extends object>(rows: readonly Row[], filters: Filters, given: Query): readonly Row[] {
  const wanted = Object.entries(filters).flatMap(([name, kind]) =>
    kind === 'boolean'
      ? []
      : Object.entries(COMPARISONS).flatMap(([comparison, holds]) => {
          const exact = last(given, `${name}__${comparison}`)
          const any = last(given, `${name}__i${comparison}`)?.toLowerCase()
          return [
            ...(exact === undefined ? [] : [(text: string) => holds(text, exact)]),
            ...(any === undefined ? [] : [(text: string) => holds(text.toLowerCase(), any)]),
          ].map((test) => (row: Row) => test(String((row as Record<string, unknown>)[name] ?? '')))
        }),
  )
  return wanted.length === 0 ? rows : rows.filter((row) => wanted.every((test) => test(row)))
}
