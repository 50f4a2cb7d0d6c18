/** The query of an image list: Glance's filters and operators, `sort=key:dir` and `sort_key`/`sort_dir`; any other name is a property. */
import { badRequest } from '../../openstack/fault.ts'
import { all, last, limitOf, mustBeModest, type Query, type SortKey } from '../../openstack/page.ts'
import { columns, type ImageList, type TimeFilter } from '../store/images.ts'

const DEFAULT_LIMIT = 25
const MAX_LIMIT = 1000
const PAGING = new Set([
  'limit',
  'marker',
  'sort',
  'sort_key',
  'sort_dir',
  'tag',
  'visibility',
  'member_status',
  'size_min',
  'size_max',
  'os_hidden',
  'created_at',
  'updated_at',
])
const TIMES = ['created_at', 'updated_at'] as const
const OPERATORS = 'gt, gte, lt, lte, eq, neq'
const WITH_IN = new Set(['id', 'name', 'status', 'container_format', 'disk_format'])

export function parseList(raw: unknown): ImageList {
  const query = raw as Query
  const filters: { field: string; values: readonly string[] }[] = []
  const properties: { name: string; value: string }[] = []
  for (const name of Object.keys(query)) {
    if (PAGING.has(name)) continue
    const value = last(query, name) ?? ''
    if (Object.hasOwn(columns, name))
      filters.push({ field: name, values: WITH_IN.has(name) && value.startsWith('in:') ? listIn(value) : [value] })
    else properties.push({ name, value })
  }
  filters.push({ field: 'os_hidden', values: [last(query, 'os_hidden') ?? 'false'] })
  const sort = sortOf(query)
  mustBeModest(filters.length + properties.length + all(query, 'tag').length, sort.length)
  return {
    filters,
    properties,
    tags: all(query, 'tag'),
    sort,
    limit: limitOf(query, MAX_LIMIT) ?? DEFAULT_LIMIT,
    marker: last(query, 'marker'),
    visibility: oneOf(query, 'visibility', ['public', 'private', 'shared', 'community', 'all']),
    memberStatus: oneOf(query, 'member_status', ['pending', 'accepted', 'rejected', 'all']) ?? 'accepted',
    times: TIMES.flatMap((field) => all(query, field).map((text) => time(field, text))),
    minSize: size(query, 'size_min'),
    maxSize: size(query, 'size_max'),
  }
}

/** `in:a,b,"c,d"`; `in:` alone is a list of one empty text. */
function listIn(value: string): readonly string[] {
  const parts = [...value.slice(3).matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/g)]
  const values = parts.map(([, quoted, plain]) => quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '')
  return values.length > 0 ? values : ['']
}

function oneOf(query: Query, name: string, values: readonly string[]): string | undefined {
  const value = last(query, name)
  if (value !== undefined && !values.includes(value))
    throw badRequest(`Invalid ${name} value: ${value}. It must be one of ${values.join(', ')}.`)
  return value
}

/** `gt:2026-01-31T12:00:00Z`; without an operator it means that very second. */
function time(field: (typeof TIMES)[number], text: string): TimeFilter {
  const [, operator = 'eq', when = ''] = /^(?:(gt|gte|lt|lte|eq|neq):)?(.*)$/s.exec(text) ?? []
  const zoned = /[Zz]$|[+-]\d\d:?\d\d$/.test(when) ? when : `${when}Z`
  const at = Date.parse(zoned)
  if (!/^\d{4}-\d\d-\d\d/.test(when) || Number.isNaN(at))
    throw badRequest(`Invalid input for ${field}: "${text}" is not a time with an operator (${OPERATORS}).`)
  return { field, operator: operator as TimeFilter['operator'], at }
}

function size(query: Query, name: string): number | undefined {
  const text = last(query, name)
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) throw badRequest(`Invalid input for ${name}: "${text}" is not a size.`)
  return Number(text)
}

function sortOf(query: Query): readonly SortKey[] {
  const short = last(query, 'sort')
  const pairs =
    short === undefined
      ? all(query, 'sort_key').map(
          (key, index) => [key, all(query, 'sort_dir')[index] ?? last(query, 'sort_dir') ?? 'desc'] as const,
        )
      : short.split(',').map((part) => [part.split(':')[0] ?? '', part.split(':')[1] ?? 'desc'] as const)
  const keys = pairs.length > 0 ? pairs : ([['created_at', last(query, 'sort_dir') ?? 'desc']] as const)
  return keys.map(([field, direction]) => {
    if (direction !== 'asc' && direction !== 'desc')
      throw badRequest(`Unknown sort direction "${direction}", must be "asc" or "desc".`)
    return { field, descending: direction === 'desc' }
  })
}

/** The link to what follows a full page. */
export function nextPage(
  url: string,
  { limit }: ImageList,
  lastId: string | undefined,
  count: number,
): { next?: string } {
  if (lastId === undefined || limit === undefined || count < limit) return {}
  const query = new URLSearchParams(url.split('?')[1] ?? '')
  query.set('marker', lastId)
  return { next: `/v2/images?${query}` }
}
