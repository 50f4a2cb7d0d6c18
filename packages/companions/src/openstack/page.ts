/** One page of a list in one query: filters, sort keys, a marker and a limit. The order is total: the id is always the last key. */
import { sql, type RawBuilder, type SelectQueryBuilder, type SqlBool } from 'kysely'
import { badRequest } from './fault.ts'

export type ColumnKind = 'text' | 'number' | 'boolean'
/** Wire name -> column, of what a list may be filtered and sorted by. Booleans are 0 and 1 in the database. */
export type Columns = Readonly<Record<string, { readonly ref: string; readonly kind: ColumnKind }>>

export interface SortKey {
  readonly field: string
  readonly descending: boolean
}

export interface Page {
  readonly filters: readonly { readonly field: string; readonly values: readonly string[] }[]
  readonly sort: readonly SortKey[]
  readonly limit: number | undefined
  /** The id after which the page starts. */
  readonly marker: string | undefined
  /** Read towards the start; the caller turns the rows round. */
  readonly backwards?: boolean
}

export type Query = Readonly<Record<string, string | readonly string[] | undefined>>

/** Every value given for a name: `?id=a&id=b`. */
export const all = (query: Query, name: string): readonly string[] => {
  const value = query[name]
  return value === undefined ? [] : typeof value === 'string' ? [value] : value
}
export const last = (query: Query, name: string): string | undefined => all(query, name).at(-1)

/** How much one list may ask for: each part is a piece of the database's query. */
const MAX_SORT_KEYS = 8
const MAX_CONDITIONS = 64

/** Errors: 400 for a list that would be a giant query. */
export function mustBeModest(conditions: number, sortKeys: number): void {
  if (conditions > MAX_CONDITIONS) throw badRequest(`A list takes at most ${MAX_CONDITIONS} filters.`)
  if (sortKeys > MAX_SORT_KEYS) throw badRequest(`A list is sorted by at most ${MAX_SORT_KEYS} keys.`)
}

/** A limit as sent: none, or a whole number that is not negative. Errors: 400. */
export function limitOf(query: Query, atMost: number): number | undefined {
  const text = last(query, 'limit')
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text)) throw badRequest(`Invalid input for limit: "${text}" is not a whole number.`)
  return Math.min(Number(text), atMost)
}

const column = (columns: Columns, field: string) => {
  const found = Object.hasOwn(columns, field) ? columns[field] : undefined
  if (!found) throw badRequest(`Invalid input for sort_key: ${field} is not a field to sort by.`)
  return found
}

const comparable = (columns: Columns, field: string): RawBuilder<unknown> => {
  const { ref, kind } = column(columns, field)
  return kind === 'text' ? sql`coalesce(${sql.ref(ref)}, '')` : sql`coalesce(${sql.ref(ref)}, 0)`
}

function asStored(kind: ColumnKind, field: string, value: string): string | number {
  if (kind === 'text') return value
  if (kind === 'boolean') {
    if (/^(true|1|yes)$/i.test(value)) return 1
    if (/^(false|0|no)$/i.test(value)) return 0
  } else if (/^-?\d{1,15}$/.test(value)) return Number(value)
  throw badRequest(`Invalid input for ${field}: "${value}" is not a ${kind}.`)
}

/** `field in (values)`; the value stands for a column that the caller's table has. */
export function filtered<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  columns: Columns,
  filters: Page['filters'],
): SelectQueryBuilder<DB, TB, O> {
  let result = query
  for (const { field, values } of filters) {
    const { ref, kind } = column(columns, field)
    const stored = values.map((value) => asStored(kind, field, value))
    result = result.where(sql<SqlBool>`${sql.ref(ref)} in (${sql.join(stored)})`)
  }
  return result
}

/** Adds order, place and length. `marker` is the row with the marker's id. Errors: 400 for an unknown sort key. */
export function paged<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  columns: Columns,
  { sort, limit, backwards = false }: Page,
  marker: Readonly<Record<string, unknown>> | undefined,
): SelectQueryBuilder<DB, TB, O> {
  const keys = sort.some(({ field }) => field === 'id')
    ? sort
    : [...sort, { field: 'id', descending: sort.at(-1)?.descending ?? false }]
  let result = query
  if (marker) {
    const steps = keys.map(({ field, descending }, index) => {
      const same = keys
        .slice(0, index)
        .map((key) => sql`${comparable(columns, key.field)} = ${stored(columns, marker, key.field)}`)
      const beyond = sql.raw(descending !== backwards ? '<' : '>')
      return sql`(${sql.join([...same, sql`${comparable(columns, field)} ${beyond} ${stored(columns, marker, field)}`], sql` and `)})`
    })
    result = result.where(sql<SqlBool>`(${sql.join(steps, sql` or `)})`)
  }
  for (const { field, descending } of keys)
    result = result.orderBy(comparable(columns, field), descending !== backwards ? 'desc' : 'asc')
  return limit === undefined ? result : result.limit(limit)
}

const stored = (columns: Columns, marker: Readonly<Record<string, unknown>>, field: string): unknown => {
  const { ref, kind } = column(columns, field)
  return marker[ref.slice(ref.indexOf('.') + 1)] ?? (kind === 'text' ? '' : 0)
}
