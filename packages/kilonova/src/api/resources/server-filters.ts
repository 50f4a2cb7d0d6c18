/** What a list of servers may be asked for, and what of it this caller gets: a query turned into a filter. */
import { z } from 'zod'
import type { Column, ServerFilter, StateFilter, TagFilter } from '../../db/server-list.ts'
import { NovaError } from '../../domain/errors.ts'
import {
  POWER_STATE_NUMBER,
  statesOf,
  statusOf,
  TASK_STATES,
  type PowerState,
  type VmState,
} from '../../domain/states.ts'
import type { Ctx } from '../context.ts'
import { ApiFault, badRequest } from '../faults.ts'
import { every, once, page } from '../fields.ts'
import { parseMoment } from '../moment.ts'

/** Filters by Nova's name: the column that must be equal. */
const EQUAL = {
  flavor: 'flavor_id',
  image: 'image_id',
  image_ref: 'image_id',
  reservation_id: 'reservation_id',
  uuid: 'id',
  user_id: 'user_id',
  vm_state: 'vm_state',
  task_state: 'task_state',
  host: 'host',
  launch_index: 'launch_index',
  locked_by: 'locked_by',
  progress: 'progress',
} as const satisfies Readonly<Record<string, Column>>
/** The column in which an expression must be found. */
const FOUND = {
  key_name: 'key_name',
  availability_zone: 'availability_zone',
  node: 'hypervisor_hostname',
  hostname: 'hostname',
  display_description: 'description',
  description: 'description',
  root_device_name: 'root_device_name',
  access_ip_v4: 'access_ip_v4',
  access_ip_v6: 'access_ip_v6',
  created_at: 'created_at',
  launched_at: 'launched_at',
  terminated_at: 'terminated_at',
} as const satisfies Readonly<Record<string, Column>>
const NUMBERS = new Set<string>(['launch_index', 'progress'])

const TAG_FILTERS = { tags: 'all', 'tags-any': 'any', 'not-tags': 'notAll', 'not-tags-any': 'none' } as const

/** What everybody is heard with, by the version that brought it. Administrators are heard with all of them. */
const FOR_EVERYBODY: Readonly<Record<number, readonly string[]>> = {
  1: ['reservation_id', 'name', 'status', 'image', 'flavor', 'ip', 'changes-since', 'all_tenants', 'metadata'],
  5: ['ip6'],
  26: Object.keys(TAG_FILTERS),
  66: ['changes-before'],
  73: ['locked'],
  83: [
    'availability_zone',
    'config_drive',
    'key_name',
    'created_at',
    'launched_at',
    'terminated_at',
    'power_state',
    'task_state',
    'vm_state',
    'progress',
    'user_id',
  ],
  90: ['hostname'],
}
/** Names that a query may have at all, by the version that brought them; others are unknown. */
const KNOWN: Readonly<Record<number, readonly string[]>> = {
  1: [
    ...Object.keys(EQUAL),
    ...Object.keys(FOUND),
    'power_state',
    'config_drive',
    'name',
    'display_name',
    'ip',
    'ip6',
    'tenant_id',
    'project_id',
    'all_tenants',
    'deleted',
    'soft_deleted',
    'changes-since',
    'metadata',
    // Known to upstream, and of no effect here: there is nothing that they could tell apart.
    'kernel_id',
    'ramdisk_id',
    'auto_disk_config',
  ],
  26: Object.keys(TAG_FILTERS),
  66: ['changes-before'],
  73: ['locked'],
}
/** Parts of a server that upstream keeps in other tables: it refuses to look there. */
const ELSEWHERE = [
  'block_device_mapping',
  'services',
  'system_metadata',
  'info_cache',
  'security_groups',
  'pci_devices',
]

const SORT: Readonly<Record<string, Column>> = {
  access_ip_v4: 'access_ip_v4',
  access_ip_v6: 'access_ip_v6',
  auto_disk_config: 'disk_config',
  availability_zone: 'availability_zone',
  config_drive: 'config_drive',
  created_at: 'created_at',
  display_description: 'description',
  display_name: 'name',
  host: 'host',
  hostname: 'hostname',
  image_ref: 'image_id',
  instance_type_id: 'flavor_id',
  kernel_id: 'number',
  key_name: 'key_name',
  launch_index: 'launch_index',
  launched_at: 'launched_at',
  locked: 'locked',
  locked_by: 'locked_by',
  node: 'hypervisor_hostname',
  power_state: 'power_state',
  progress: 'progress',
  project_id: 'project_id',
  ramdisk_id: 'number',
  root_device_name: 'root_device_name',
  task_state: 'task_state',
  terminated_at: 'terminated_at',
  updated_at: 'updated_at',
  user_id: 'user_id',
  uuid: 'id',
  vm_state: 'vm_state',
}
const ADMIN_SORT = new Set(['host', 'node'])
/** Once accepted and without effect; from 2.75 refused. */
const IGNORED_SORT = [
  'architecture',
  'cell_name',
  'cleaned',
  'default_ephemeral_device',
  'default_swap_device',
  'deleted',
  'deleted_at',
  'disable_terminate',
  'ephemeral_gb',
  'ephemeral_key_uuid',
  'id',
  'key_data',
  'launched_on',
  'memory_mb',
  'os_type',
  'reservation_id',
  'root_gb',
  'shutdown_terminate',
  'user_data',
  'vcpus',
  'vm_mode',
]

/** What a version makes of a query. */
interface Hears {
  readonly everybody: ReadonlySet<string>
  readonly ignoredSort: ReadonlySet<string>
  /** A status that there is none of is an error, not an empty list. */
  readonly knownStatus: boolean
}

const upTo = (table: Readonly<Record<number, readonly string[]>>, minor: number): readonly string[] =>
  Object.entries(table).flatMap(([since, names]) => (Number(since) <= minor ? names : []))

/** The ones that are not plain texts; the plain ones are looked up by name. */
const special = { ...page, status: every, sort_key: every, sort_dir: every }
type Special = z.output<z.ZodObject<typeof special>>
export interface ServerQuery extends Special {
  readonly hears: Hears
}

function queryAt(minor: number) {
  const hears: Hears = {
    everybody: new Set(upTo(FOR_EVERYBODY, minor)),
    ignoredSort: new Set(minor < 73 ? ['locked', ...IGNORED_SORT] : minor < 75 ? IGNORED_SORT : []),
    knownStatus: minor >= 38,
  }
  const names = Object.fromEntries([...upTo(KNOWN, minor), ...ELSEWHERE].map((name) => [name, once(z.string())]))
  const known = z.object({ ...names, ...special })
  return (minor < 75 ? known : known.strict()).transform((asked): ServerQuery => ({ ...asked, hears }))
}
export const serverQuery = {
  '2.1': queryAt(1),
  '2.5': queryAt(5),
  '2.26': queryAt(26),
  '2.38': queryAt(38),
  '2.66': queryAt(66),
  '2.73': queryAt(73),
  '2.75': queryAt(75),
  '2.83': queryAt(83),
  '2.90': queryAt(90),
} as const

const TRUE = /^(1|t|true|on|y|yes)$/i
const FALSE = /^(0|f|false|off|n|no)$/i
const isTrue = (value: string | undefined): boolean => value !== undefined && TRUE.test(value)

function time(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const ms = parseMoment(value)
  if (ms === undefined)
    throw badRequest(`Invalid input for query parameters ${name}. Value: ${value}. '${value}' is not a 'date-time'`)
  return ms
}

/** A plain status is the vm state less the task states that show as another one. */
export function stateFilters(status: string): readonly StateFilter[] {
  return statesOf(status).map(({ vmState, taskStates }) => {
    if (taskStates) return { vmState, taskStates }
    return { vmState, notTaskStates: TASK_STATES.filter((task) => statusOf(vmState, task) !== statusOf(vmState, null)) }
  })
}

/** Strict: `locked` and the like. */
function flag(name: string, value: string): boolean {
  if (isTrue(value)) return true
  if (FALSE.test(value)) return false
  throw badRequest(`Invalid input for query parameters ${name}. Value: ${value}. '${value}' is not a boolean.`)
}

/** Errors: ApiFault 400 and 403; NovaError Forbidden for other projects' servers. */
export function serverFilter(ctx: Ctx, asked: ServerQuery, which: 'index' | 'detail'): ServerFilter {
  const { caller, config } = ctx
  const everything = ctx.at.allows('os_compute_api:servers:allow_all_filters')
  /** What the caller is heard with; other names are as if they were not there. */
  const value = (name: string): string | undefined =>
    everything || asked.hears.everybody.has(name)
      ? (asked as unknown as Record<string, string | undefined>)[name]
      : undefined
  for (const name of ELSEWHERE) if (value(name) !== undefined) throw badRequest(`Invalid filter field: ${name}.`)

  const equal: Partial<Record<Column, readonly (string | number | null)[]>> = {}
  for (const [name, column] of Object.entries(EQUAL)) {
    const wanted = value(name)
    if (wanted === undefined) continue
    equal[column] = [NUMBERS.has(name) ? Number(wanted) : wanted === 'None' || wanted === '' ? null : wanted]
  }
  const found: Partial<Record<Column, string>> = {}
  for (const [name, column] of Object.entries(FOUND)) {
    const wanted = value(name)
    if (wanted !== undefined) found[column] = wanted
  }

  const tenants = value('all_tenants')
  const allTenants = tenants !== undefined && (tenants === '' || flag('all_tenants', tenants))
  if (allTenants) ctx.check(`os_compute_api:servers:${which}:get_all_tenants`)
  const project = value('project_id') ?? value('tenant_id')
  // As upstream, a project that is named counts only among all of them.
  if (!allTenants) equal.project_id = [caller.projectId]
  else if (project !== undefined) equal.project_id = [project]

  const locked = value('locked')
  if (locked !== undefined) equal.locked = [Number(flag('locked', locked))]
  const configDrive = value('config_drive')
  if (configDrive !== undefined) equal.config_drive = [Number(isTrue(configDrive))]
  const power = value('power_state')
  if (power !== undefined)
    equal.power_state = [
      (Object.entries(POWER_STATE_NUMBER) as [PowerState, number][]).find(
        ([, number]) => String(number) === power,
      )?.[0] ?? power,
    ]

  const statuses = asked.status.filter((word) => word !== '')
  const states = statuses.flatMap(stateFilters)
  if (statuses.length > 0 && states.length === 0) {
    if (asked.hears.knownStatus) throw badRequest('Invalid status value')
    states.push({ vmState: 'unknown' })
  }
  if (states.some((state) => (state.vmState as VmState) === 'deleted') && !everything)
    throw new ApiFault(403, 'Only administrators may list deleted instances')

  const changedSince = time('changes-since', value('changes-since'))
  const changedBefore = time('changes-before', value('changes-before'))
  if (changedSince !== undefined && changedBefore !== undefined && changedSince > changedBefore)
    throw badRequest('The value of changes-since must be less than or equal to changes-before.')
  const changed = changedSince !== undefined || changedBefore !== undefined
  const wantsDeleted = value('deleted') === undefined ? undefined : isTrue(value('deleted'))
  const deleted =
    states.some(({ vmState }) => vmState === 'deleted') || wantsDeleted === true
      ? 'only'
      : wantsDeleted === undefined && changed
        ? 'both'
        : 'no'

  const softDeleted = value('soft_deleted') === undefined ? undefined : isTrue(value('soft_deleted'))

  const expressions = { name: value('name') ?? value('display_name'), ip: value('ip'), ip6: value('ip6') }
  const metadata = value('metadata')
  const tags = tagsOf(value)
  return {
    equal,
    found,
    ...(states.length > 0 ? { states } : {}),
    ...Object.fromEntries(Object.entries(expressions).filter(([, expression]) => expression !== undefined)),
    ...(metadata === undefined ? {} : { metadata: metadataOf(metadata) }),
    ...(tags ? { tags } : {}),
    deleted,
    ...(softDeleted === undefined ? {} : { softDeleted }),
    ...(changedSince === undefined ? {} : { changedSince }),
    ...(changedBefore === undefined ? {} : { changedBefore }),
    sort: sortOf(asked, everything),
    ...(asked.marker === undefined ? {} : { marker: asked.marker }),
    limit: Math.min(asked.limit ?? config.api.max_limit, config.api.max_limit),
  }
}

function sortOf({ sort_key: keys, sort_dir: directions, hears }: ServerQuery, everything: boolean) {
  for (const key of keys)
    if (!Object.hasOwn(SORT, key) && !hears.ignoredSort.has(key))
      throw badRequest(
        `Invalid input for query parameters sort_key. Value: ${key}. '${key}' is not one of ${Object.keys(SORT)
          .map((name) => `'${name}'`)
          .join(', ')}`,
      )
  const counted = keys.flatMap((key, index) =>
    hears.ignoredSort.has(key) ? [] : [{ key, direction: directions[index] }],
  )
  for (const { key } of counted)
    if (ADMIN_SORT.has(key) && !everything) throw new ApiFault(403, `Only administrators can sort servers by ${key}`)
  if (directions.some((direction) => direction !== 'asc' && direction !== 'desc'))
    throw badRequest('Unknown sort direction, must be one of: asc, desc')
  if (directions.length > Math.max(keys.length, 1)) throw badRequest('Sort direction size exceeds sort key size')
  const wanted = counted.length === 0 ? [{ key: 'created_at', direction: undefined }] : counted
  return wanted.map(({ key, direction }) => ({
    column: SORT[key] ?? 'created_at',
    descending: (direction ?? directions[0] ?? 'desc') === 'desc',
  }))
}

/** What tags a server must have; each of the four names takes several with commas between. */
function tagsOf(value: (name: string) => string | undefined): TagFilter | undefined {
  const wanted = Object.entries(TAG_FILTERS).flatMap(([name, key]) => {
    const text = value(name)
    return text === undefined ? [] : [[key, text.split(',')] as const]
  })
  return wanted.length === 0 ? undefined : Object.fromEntries(wanted)
}

/** `{"role": "web"}`, as JSON or as Python writes it. */
function metadataOf(value: string): Record<string, string> {
  const parsed = z.record(z.string(), z.string()).safeParse(jsonOf(value.replaceAll("'", '"')))
  if (!parsed.success)
    throw new NovaError('BadRequest', { message: `Invalid filter: metadata must be an object of texts, not ${value}.` })
  return parsed.data
}
function jsonOf(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch {
    return undefined
  }
}
