/** What servers are looked up by and have several of: tags, and the addresses of their own ports. Kept with the row that shows them. */
import { sql, type ExpressionBuilder } from 'kysely'
import type { Address } from '../domain/server.ts'
import type { Db } from './database.ts'
import type { ServerTermsTable, Tables } from './tables.ts'

export type TermKind = ServerTermsTable['kind']

export async function setTerms(db: Db, id: string, kind: TermKind, terms: readonly string[]): Promise<void> {
  await db.deleteFrom('server_terms').where('server_id', '=', id).where('kind', '=', kind).execute()
  const rows = [...new Set(terms)].map((term) => ({ kind, term, server_id: id }))
  if (rows.length > 0) await db.insertInto('server_terms').values(rows).execute()
}

export async function setAddressTerms(db: Db, id: string, addresses: readonly Address[]): Promise<void> {
  const own = addresses.filter(({ type }) => type !== 'floating')
  for (const version of [4, 6] as const)
    await setTerms(
      db,
      id,
      `ip${version}`,
      own.flatMap((each) => (each.version === version ? [each.address] : [])),
    )
}

/** A condition on servers: one of their terms is this, or is like it. */
export const havingTerm = (
  { eb, selectFrom }: ExpressionBuilder<Tables, 'servers'>,
  kind: TermKind,
  how: 'is' | 'like',
  term: string,
) =>
  eb(
    'id',
    'in',
    selectFrom('server_terms')
      .select('server_id')
      .where('kind', '=', kind)
      .where(how === 'is' ? sql<boolean>`term = ${term}` : isLike('term', term)),
  )

/** In any case of letters, on every database. */
export const isLike = (column: string, pattern: string) =>
  sql<boolean>`lower(${sql.ref(column)}) like ${pattern.toLowerCase()} escape '\\'`
