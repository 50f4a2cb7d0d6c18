/** The query of a list in Neutron's manner: any field filters, `fields` chooses, `limit`, `marker`, `page_reverse` and sort keys page. */
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import { badRequest } from '../openstack/fault.ts'
import { all, last, limitOf, mustBeModest, type Columns, type Page, type Query } from '../openstack/page.ts'
import { invalid } from './errors.ts'

export interface List extends Page {
  /** Only these fields are shown; empty means all. */
  readonly fields: readonly string[]
  /** Conditions on tags, and by the resource's own special filters. */
  readonly conditions: readonly RawBuilder<SqlBool>[]
}

/** A filter that is not a column of the table. */
export type Special = (values: readonly string[]) => RawBuilder<SqlBool>
export type Specials = Readonly<Record<string, Special>>

const MAX_LIMIT = 10_000
const MAX_NUMBER = 2_147_483_647
const TAG_FILTERS = new Set(['tags', 'tags-any', 'not-tags', 'not-tags-any'])
const PAGING = new Set(['limit', 'marker', 'page_reverse', 'sort_key', 'sort_dir', 'fields'])

const tagged = (table: string, tag: string) =>
  sql<SqlBool>`exists (select 1 from tags where resource_id = ${sql.ref(`${table}.id`)} and tag = ${tag})`
const allOf = (parts: readonly RawBuilder<SqlBool>[]) => sql<SqlBool>`(${sql.join(parts, sql` and `)})`
const anyOf = (parts: readonly RawBuilder<SqlBool>[]) => sql<SqlBool>`(${sql.join(parts, sql` or `)})`

function tagFilter(table: string, name: string, values: readonly string[]): RawBuilder<SqlBool> | undefined {
  if (!TAG_FILTERS.has(name)) return undefined
  const tags = values.flatMap((value) => value.split(','))
  mustBeModest(tags.length, 0)
  const conditions = tags.map((tag) => tagged(table, tag))
  if (name === 'tags') return allOf(conditions)
  if (name === 'tags-any') return anyOf(conditions)
  if (name === 'not-tags') return sql<SqlBool>`not ${allOf(conditions)}`
  return sql<SqlBool>`not ${anyOf(conditions)}`
}

export function parseList(raw: unknown, table: string, columns: Columns, specials: Specials = {}): List {
  const query = raw as Query
  const filters: { field: string; values: readonly string[] }[] = []
  const conditions: RawBuilder<SqlBool>[] = []
  for (const name of Object.keys(query)) {
    if (PAGING.has(name)) continue
    const values = all(query, name)
    const special = Object.hasOwn(specials, name) ? specials[name]?.(values) : tagFilter(table, name, values)
    if (special) conditions.push(special)
    else if (Object.hasOwn(columns, name)) {
      if (columns[name]?.kind === 'number' && values.some((value) => Math.abs(Number(value)) > MAX_NUMBER))
        throw invalid(`${name} is no such number`)
      filters.push({ field: name, values })
    } else throw invalid(`['${name}'] is invalid attribute for filtering`)
  }
  mustBeModest(filters.length + conditions.length, all(query, 'sort_key').length)
  const directions = all(query, 'sort_dir')
  return {
    filters,
    conditions,
    fields: all(query, 'fields'),
    sort: all(query, 'sort_key').map((field, index) => {
      const direction = directions[index] ?? 'asc'
      if (direction !== 'asc' && direction !== 'desc')
        throw badRequest(`The value for sort_dir is "${direction}", it should be "asc" or "desc".`)
      return { field, descending: direction === 'desc' }
    }),
    limit: limitOf(query, MAX_LIMIT) || undefined,
    marker: last(query, 'marker'),
    backwards: /^(true|1)$/i.test(last(query, 'page_reverse') ?? ''),
  }
}

const chosen = (item: Readonly<Record<string, unknown>>, fields: readonly string[]) =>
  fields.length === 0
    ? item
    : Object.fromEntries(fields.filter((name) => Object.hasOwn(item, name)).map((name) => [name, item[name]]))

/** `{"ports": […], "ports_links": […]}`; `url` is the whole request, for the links. */
export function listAnswer(
  name: string,
  items: readonly Readonly<Record<string, unknown>>[],
  list: List,
  url: string,
): unknown {
  const ordered = list.backwards ? items.toReversed() : items
  const answer = { [name]: ordered.map((item) => chosen(item, list.fields)) }
  if (list.limit === undefined) return answer
  const links: { rel: string; href: string }[] = []
  const link = (rel: string, id: unknown, backwards: boolean) => {
    const target = new URL(url)
    target.searchParams.set('marker', String(id))
    if (backwards) target.searchParams.set('page_reverse', 'True')
    else target.searchParams.delete('page_reverse')
    links.push({ rel, href: target.href })
  }
  const full = items.length === list.limit
  if (ordered.length > 0 && (list.backwards || full)) link('next', ordered.at(-1)?.['id'], false)
  if (ordered.length > 0 && (list.backwards ? full : list.marker !== undefined))
    link('previous', ordered[0]?.['id'], true)
  return { ...answer, [`${name}_links`]: links }
}

export const oneAnswer = (name: string, item: Readonly<Record<string, unknown>>, raw: unknown): unknown => ({
  [name]: chosen(item, all(raw as Query, 'fields')),
})
