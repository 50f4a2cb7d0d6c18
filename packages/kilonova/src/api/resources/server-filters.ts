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
import { every, once, page, query } from '../fields.ts'

const text = z.string()
/** Filters by Nova's name: the column that must be equal. */
const EQUAL = {
  flavor: 'flavor_id',
  image: 'image_id',
  reservation_id: 'reservation_id',
  uuid: 'id',
  user_id: 'user_id',
  key_name: 'key_name',
  availability_zone: 'availability_zone',
  vm_state: 'vm_state',
  task_state: 'task_state',
  host: 'host',
  node: 'hypervisor_hostname',
  display_description: 'description',
  description: 'description',
  root_device_name: 'root_device_name',
  launch_index: 'launch_index',
  progress: 'progress',
} as const satisfies Readonly<Record<string, Column>>
/** The others only administrators are heard with. Some of these upstream opened to users in 2.83; here they are open at every version. */
const FOR_EVERYBODY = new Set<string>([
  'flavor',
  'image',
  'reservation_id',
  'user_id',
  'key_name',
  'availability_zone',
  'vm_state',
  'task_state',
  'uuid',
  'progress',
  'description',
  'display_description',
])
const NUMBERS = new Set<string>(['launch_index', 'progress'])

const SORT = {
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
  locked_by: 'locked',
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
  name: 'name',
  id: 'id',
  status: 'vm_state',
} as const satisfies Readonly<Record<string, Column>>
const ADMIN_SORT = new Set(['host', 'node'])

const names = Object.fromEntries(
  [
    ...Object.keys(EQUAL),
    'power_state',
    'config_drive',
    'name',
    'hostname',
    'ip',
    'ip6',
    'tenant_id',
    'project_id',
    'all_tenants',
    'deleted',
    'locked',
    'changes-since',
    'changes-before',
    'display_name',
    'created_at',
    'launched_at',
    'terminated_at',
    'access_ip_v4',
    'access_ip_v6',
    'metadata',
    'tags',
    'tags-any',
    'not-tags',
    'not-tags-any',
    'soft_deleted',
    'kernel_id',
    'ramdisk_id',
    'architecture',
    'disable_terminate',
    'locked_by',
    'vm_type',
  ].map((name) => [name, once(text)]),
)

/** The ones that are not plain texts; the plain ones are looked up by name. */
const special = { ...page, status: every, sort_key: every, sort_dir: every }
export const serverQuery = query<typeof special>({ ...names, ...special })
export type ServerQuery = z.output<z.ZodObject<typeof special>>

const TRUE = /^(1|t|true|on|y|yes)$/i
const isTrue = (value: string | undefined): boolean => value !== undefined && TRUE.test(value)

function time(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const ms = Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(value) ? value : `${value}Z`)
  if (Number.isNaN(ms))
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

/** Errors: ApiFault 400 and 403; NovaError Forbidden for other projects' servers. */
export function serverFilter(ctx: Ctx, asked: ServerQuery, which: 'index' | 'detail'): ServerFilter {
  const { caller, config } = ctx
  const everything = ctx.at.allows('os_compute_api:servers:allow_all_filters')
  const value = (name: string): string | undefined => (asked as unknown as Record<string, string | undefined>)[name]
  const equal: Partial<Record<Column, readonly (string | number | null)[]>> = {}
  for (const [name, column] of Object.entries(EQUAL)) {
    const wanted = value(name)
    if (wanted === undefined || !(everything || FOR_EVERYBODY.has(name))) continue
    equal[column] = [NUMBERS.has(name) ? Number(wanted) : wanted === 'None' || wanted === '' ? null : wanted]
  }

  const project = value('project_id') ?? value('tenant_id')
  const allTenants =
    value('all_tenants') === undefined
      ? project !== undefined && everything
      : value('all_tenants') === '' || isTrue(value('all_tenants'))
  if (
    value('all_tenants') !== undefined &&
    !/^(|0|1|t|f|true|false|on|off|y|n|yes|no)$/i.test(value('all_tenants') ?? '')
  )
    throw badRequest(`Invalid input for query parameters all_tenants. Value: ${value('all_tenants')}.`)
  if (allTenants) ctx.check(`os_compute_api:servers:${which}:get_all_tenants`)
  if (!allTenants) equal.project_id = [caller.projectId]
  else if (project !== undefined) equal.project_id = [project]

  if (value('locked') !== undefined) equal.locked = [Number(isTrue(value('locked')))]
  if (value('config_drive') !== undefined) equal.config_drive = [Number(isTrue(value('config_drive')))]
  const power = value('power_state')
  if (power !== undefined)
    equal.power_state = [
      (Object.entries(POWER_STATE_NUMBER) as [PowerState, number][]).find(
        ([, number]) => String(number) === power,
      )?.[0] ?? power,
    ]

  const statuses = asked.status.filter((word) => word !== '')
  const states = statuses.flatMap(stateFilters)
  // An unknown status names no server.
  if (statuses.length > 0 && states.length === 0) states.push({ vmState: 'unknown' })
  if (states.some((state) => (state.vmState as VmState) === 'deleted') && !everything)
    throw new ApiFault(403, 'Only administrators may list deleted instances')

  const changedSince = time('changes-since', value('changes-since'))
  const changedBefore = time('changes-before', value('changes-before'))
  if (changedSince !== undefined && changedBefore !== undefined && changedSince > changedBefore)
    throw badRequest('The value of changes-since must be less than or equal to changes-before.')
  const wantsDeleted = value('deleted') !== undefined && everything ? isTrue(value('deleted')) : undefined
  const deleted =
    states.some(({ vmState }) => vmState === 'deleted') || wantsDeleted === true
      ? 'only'
      : wantsDeleted === undefined && changedSince !== undefined
        ? 'both'
        : 'no'

  const expressions = {
    name: value('name') ?? value('display_name'),
    hostname: everything ? value('hostname') : undefined,
    ip: value('ip'),
    ip6: value('ip6'),
  }
  const metadata = value('metadata')
  const tags = tagsOf(value)
  return {
    equal,
    ...(states.length > 0 ? { states } : {}),
    ...Object.fromEntries(Object.entries(expressions).filter(([, expression]) => expression !== undefined)),
    ...(metadata === undefined ? {} : { metadata: metadataOf(metadata) }),
    ...(tags ? { tags } : {}),
    deleted,
    ...(changedSince === undefined ? {} : { changedSince }),
    ...(changedBefore === undefined ? {} : { changedBefore }),
    sort: sortOf(asked.sort_key, asked.sort_dir, everything),
    ...(asked.marker === undefined ? {} : { marker: asked.marker }),
    limit: Math.min(asked.limit ?? config.api.max_limit, config.api.max_limit) || config.api.max_limit,
  }
}

function sortOf(keys: readonly string[], directions: readonly string[], everything: boolean): ServerFilter['sort'] {
  if (directions.some((direction) => direction !== 'asc' && direction !== 'desc'))
    throw badRequest('Invalid sort direction: it is asc or desc.')
  if (directions.length > Math.max(keys.length, 1)) throw badRequest('Sort direction size exceeds sort key size')
  const wanted = keys.length === 0 ? ['created_at'] : keys
  return wanted.map((key, index) => {
    if (!Object.hasOwn(SORT, key))
      throw badRequest(
        `Invalid input for query parameters sort_key. Value: ${key}. '${key}' is not one of ${Object.keys(SORT)
          .map((name) => `'${name}'`)
          .join(', ')}`,
      )
    if (ADMIN_SORT.has(key) && !everything) throw new ApiFault(403, `Only administrators can sort servers by ${key}`)
    return {
      column: SORT[key as keyof typeof SORT],
      descending: (directions[index] ?? directions[0] ?? 'desc') === 'desc',
    }
  })
}

/** Nova's four names for what tags a server must have; each takes several with commas between. */
const TAG_FILTERS = { tags: 'all', 'tags-any': 'any', 'not-tags': 'notAll', 'not-tags-any': 'none' } as const
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
