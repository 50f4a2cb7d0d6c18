/** Lists of servers: filters, order, marker and limit as one query. Columns that may be large are read only when asked for. */
import { sql, type ExpressionBuilder, type Selectable } from 'kysely'
import { NovaError } from '../domain/errors.ts'
import type { Db } from './database.ts'
import { likeOf } from './expression.ts'
import { havingTerm, isLike } from './server-terms.ts'
import { testOf } from './server-test.ts'
import type { ServersTable, Tables } from './tables.ts'

type Row = Selectable<ServersTable>
/** Never shown, or (user data) large and shown to few. */
type Unlisted =
  | 'user_data'
  | 'public_key'
  | 'requested_nics'
  | 'vcpus'
  | 'memory_mb'
  | 'injected_files'
  | 'boot_roles'
  | 'guest_password'
  | 'shelved'
  | 'rescue'
  | 'soft_deleted_at'
export type ListedRow = Omit<Row, Unlisted> & Partial<Pick<Row, 'user_data'>>

export const LISTED = [
  'number',
  'id',
  'name',
  'description',
  'hostname',
  'project_id',
  'user_id',
  'vm_state',
  'task_state',
  'power_state',
  'task_id',
  'epoch',
  'host',
  'hypervisor_hostname',
  'availability_zone',
  'pinned_zone',
  'scheduler_hints',
  'local_disks',
  'flavor_id',
  'flavor',
  'image_id',
  'image',
  'key_name',
  'key_type',
  'config_drive',
  'metadata',
  'tags',
  'group_id',
  'security_groups',
  'addresses',
  'access_ip_v4',
  'access_ip_v6',
  'disk_config',
  'reservation_id',
  'launch_index',
  'root_device_name',
  'locked',
  'locked_by',
  'locked_reason',
  'progress',
  'fault',
  'created_at',
  'updated_at',
  'launched_at',
  'terminated_at',
  'deleted_at',
] as const satisfies readonly (keyof ListedRow)[]
const BRIEF = ['number', 'id', 'name'] as const

export type Column = Exclude<keyof ListedRow, 'user_data'>

/** A status as the states it is made of: a vm state, and task states where those make the difference. */
export interface StateFilter {
  readonly vmState: string
  readonly taskStates?: readonly string[]
  /** Task states that show as another status. */
  readonly notTaskStates?: readonly string[]
}

/** A server has all of these tags, one of these, not all of these, none of these. */
export type TagFilter = Readonly<Partial<Record<'all' | 'any' | 'notAll' | 'none', readonly string[]>>>

export interface ServerFilter {
  /** Equal to one of the values; null stands for none. */
  readonly equal: Readonly<Partial<Record<Column, readonly (string | number | null)[]>>>
  readonly states?: readonly StateFilter[]
  /** Expressions (RE2, never backtracking) that are found anywhere in the name, in an IPv4 or an IPv6 address. */
  readonly name?: string
  readonly ip?: string
  readonly ip6?: string
  /** The same in a column; a time is looked at as `2026-01-31 12:00:00`. */
  readonly found?: Readonly<Partial<Record<Column, string>>>
  readonly metadata?: Readonly<Record<string, string>>
  readonly tags?: TagFilter
  readonly deleted: 'no' | 'only' | 'both'
  /** Servers that can still be restored; absent: they count as deleted where `deleted` asks for deleted or living ones alone. */
  readonly softDeleted?: boolean
  readonly changedSince?: number
  readonly changedBefore?: number
  readonly sort: readonly { readonly column: Column; readonly descending: boolean }[]
  readonly marker?: string
  readonly limit: number
}

const CHUNK = 200
/** Of rows that are only looked at: few columns each. */
const LOOKED_AT = 2000
type Where = ExpressionBuilder<Tables, 'servers'>

const stateIs = ({ eb, and, or }: Where, { vmState, taskStates, notTaskStates }: StateFilter) =>
  and([
    eb('vm_state', '=', vmState),
    ...(taskStates === undefined ? [] : [eb('task_state', 'in', taskStates)]),
    ...(notTaskStates === undefined || notTaskStates.length === 0
      ? []
      : [or([eb('task_state', 'is', null), eb('task_state', 'not in', notTaskStates)])]),
  ])

const oneOf = ({ eb, or }: Where, column: Column, values: readonly (string | number | null)[]) => {
  const plain = values.filter((value): value is string | number => value !== null)
  const parts = [
    ...(plain.length > 0 ? [eb(column, 'in', plain as never)] : []),
    ...(values.includes(null) ? [eb(column, 'is', null)] : []),
  ]
  return or(parts)
}

function tagsAre(where: Where, { all = [], any, notAll, none = [] }: TagFilter) {
  const { and, or, not } = where
  const tagged = (tag: string) => havingTerm(where, 'tag', 'is', tag)
  return and([
    ...all.map(tagged),
    ...(any ? [or(any.map(tagged))] : []),
    ...(notAll ? [not(and(notAll.map(tagged)))] : []),
    ...none.map((tag) => not(tagged(tag))),
  ])
}

/** Null sorts first, on every database. */
const NUMERIC = new Set<Column>([
  'number',
  'epoch',
  'config_drive',
  'launch_index',
  'locked',
  'progress',
  'created_at',
  'updated_at',
  'launched_at',
  'terminated_at',
  'deleted_at',
])
const NEVER_NULL = new Set<Column>([
  'number',
  'id',
  'name',
  'created_at',
  'updated_at',
  'project_id',
  'user_id',
  'vm_state',
])
const sortable = (column: Column) =>
  NEVER_NULL.has(column)
    ? sql.ref(column)
    : sql`coalesce(${sql.ref(column)}, ${sql.lit(NUMERIC.has(column) ? -1 : '')})`
const sortValue = (row: ListedRow, column: Column) => row[column] ?? (NUMERIC.has(column) ? -1 : '')

function select(
  db: Db,
  filter: ServerFilter,
  columns: readonly (keyof Row)[],
  after: ListedRow | undefined,
  limit: number,
) {
  const { equal, states, tags, deleted, softDeleted, changedSince, changedBefore, sort } = filter
  let query = db.selectFrom('servers').select(columns)
  if (deleted === 'no') {
    query = query.where('deleted_at', 'is', null)
    if (softDeleted !== true) query = query.where('vm_state', '<>', 'soft-delete')
  }
  if (deleted === 'only')
    query = query.where(({ or, eb }) =>
      or([eb('deleted_at', 'is not', null), ...(softDeleted === false ? [] : [eb('vm_state', '=', 'soft-delete')])]),
    )
  if (changedSince !== undefined) query = query.where('updated_at', '>=', changedSince)
  if (changedBefore !== undefined) query = query.where('updated_at', '<=', changedBefore)
  for (const [column, values] of Object.entries(equal)) query = query.where((eb) => oneOf(eb, column as Column, values))
  if (states) query = query.where((eb) => eb.or(states.map((state) => stateIs(eb, state))))
  if (tags) query = query.where((eb) => tagsAre(eb, tags))
  const [name, ip, ip6] = [filter.name, filter.ip, filter.ip6].map((text) => (text === undefined ? text : likeOf(text)))
  if (ip !== undefined) query = query.where((eb) => havingTerm(eb, 'ip4', 'like', ip))
  if (ip6 !== undefined) query = query.where((eb) => havingTerm(eb, 'ip6', 'like', ip6))
  // Out of an index alone: the rows themselves are wide.
  if (name !== undefined)
    query = query.where(({ eb, selectFrom }) =>
      eb('number', 'in', selectFrom('servers').select('number').where(isLike('name', name))),
    )
  // The order is total: the row's number is always the last key.
  const keys = [...sort, { column: 'number' as const, descending: sort.at(-1)?.descending ?? true }]
  if (after) {
    const beyond = keys.map(
      ({ column, descending }, index) =>
        sql`(${sql.join(
          [
            ...keys.slice(0, index).map((key) => sql`${sortable(key.column)} = ${sortValue(after, key.column)}`),
            sql`${sortable(column)} ${sql.raw(descending ? '<' : '>')} ${sortValue(after, column)}`,
          ],
          sql` and `,
        )})`,
    )
    query = query.where(sql<boolean>`(${sql.join(beyond, sql` or `)})`)
    // Said once more in the form that an index can begin at.
    const [first] = keys
    if (first)
      query = query.where(
        sql<boolean>`${sortable(first.column)} ${sql.raw(first.descending ? '<=' : '>=')} ${sortValue(after, first.column)}`,
      )
  }
  for (const { column, descending } of keys) query = query.orderBy(sortable(column), descending ? 'desc' : 'asc')
  return query.limit(limit).execute() as Promise<readonly ListedRow[]>
}

/** `brief`: ids and names. Otherwise everything but the columns that nobody will look at. */
export type Detail = 'brief' | { readonly userData: boolean; readonly without: readonly Column[] }

function columnsOf({ userData, without }: Exclude<Detail, 'brief'>, needed: readonly Column[]): readonly (keyof Row)[] {
  const left = new Set(without)
  for (const column of needed) left.delete(column)
  return [...LISTED.filter((column) => !left.has(column)), ...(userData ? (['user_data'] as const) : [])]
}

/** Up to `limit` servers, some at a time: what was shown of one part is gone before the next is read. Errors: NovaError MarkerNotFound, BadRequest for a bad expression. */
export async function* listServers(
  db: Db,
  filter: ServerFilter,
  detail: Detail,
): AsyncGenerator<readonly ListedRow[], void, undefined> {
  const test = await testOf(filter)
  const sorted = filter.sort.map(({ column }) => column)
  const shown = detail === 'brief' ? [] : columnsOf(detail, sorted)
  const looked = [...new Set([...BRIEF, ...sorted, ...(test?.columns ?? [])])]
  let after: ListedRow | undefined
  if (filter.marker !== undefined) {
    after = await findListed(db, filter.marker)
    const owners = filter.equal.project_id
    if (!after || (owners && !owners.includes(after.project_id)))
      throw new NovaError('MarkerNotFound', { marker: filter.marker })
  }
  for (let left = filter.limit; left > 0;) {
    const wanted = test ? LOOKED_AT : left
    const rows = await select(db, filter, looked, after, wanted)
    const found = test ? rows.filter(test.holds).slice(0, left) : rows
    for (let from = 0; from < found.length; from += CHUNK) {
      const some = found.slice(from, from + CHUNK)
      yield detail === 'brief' ? some : await whole(db, some, shown, filter.deleted)
    }
    left -= found.length
    after = rows.at(-1)
    if (rows.length < wanted) return
  }
}

/** The same rows with all that is shown of them: wide, so neither sorted nor looked at before it is known which are wanted. */
async function whole(
  db: Db,
  rows: readonly ListedRow[],
  columns: readonly (keyof Row)[],
  deleted: ServerFilter['deleted'],
): Promise<readonly ListedRow[]> {
  const numbers = rows.map(({ number }) => number)
  const query = db.selectFrom('servers').select(columns).where('number', 'in', numbers)
  // One that was deleted just now is gone.
  const read = await (deleted === 'no' ? query.where('deleted_at', 'is', null) : query).execute()
  const byNumber = new Map((read as ListedRow[]).map((row) => [row.number, row]))
  return numbers.flatMap((number) => byNumber.get(number) ?? [])
}

/** One server, deleted or not, with all that a view may show. */
export async function findListed(db: Db, id: string): Promise<(ListedRow & Pick<Row, 'user_data'>) | undefined> {
  return db
    .selectFrom('servers')
    .select([...LISTED, 'user_data'])
    .where('id', '=', id)
    .executeTakeFirst()
}

/** Id, name and host of the servers that live on these hosts. */
export async function listedOn(
  db: Db,
  hosts: readonly string[],
): Promise<readonly { readonly id: string; readonly name: string; readonly host: string }[]> {
  if (hosts.length === 0) return []
  const rows = await db
    .selectFrom('servers')
    .select(['id', 'name', 'host'])
    .where('host', 'in', hosts)
    .where('deleted_at', 'is', null)
    .orderBy('number')
    .execute()
  return rows.map(({ id, name, host }) => ({ id, name, host: host ?? '' }))
}
