/** Lists of the identity service are short: each is one query, with filters that must be equal. */
import { sql, type SelectQueryBuilder, type SqlBool } from 'kysely'
import { last, type Query } from '../../openstack/page.ts'

export type Filters = Readonly<Record<string, 'text' | 'boolean'>>

const truth = (text: string): number => (/^(false|0|no)$/i.test(text) ? 0 : 1)

export function selectEqual<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  filters: Filters,
  given: Query,
): SelectQueryBuilder<DB, TB, O> {
  let result = query
  for (const [name, kind] of Object.entries(filters)) {
    const value = last(given, name)
    if (value !== undefined)
      result = result.where(sql<SqlBool>`${sql.ref(name)} = ${kind === 'text' ? value : truth(value)}`)
  }
  return result
}
