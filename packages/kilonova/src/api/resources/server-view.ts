/** A server as users see it at each microversion. It turns rows into JSON text, not objects: pages of a thousand are common, and most columns are shown as they are. */
import { hash } from 'node:crypto'
import { isoMicros, isoSeconds } from '@kilonova/base/clock.ts'
import type { Column, ListedRow } from '../../db/server-list.ts'
import type { Flavor } from '../../domain/flavor.ts'
import type { Address, ServerFault, ServerImage } from '../../domain/server.ts'
import { POWER_STATE_NUMBER, statusOf, type PowerState, type TaskState, type VmState } from '../../domain/states.ts'
import type { At } from '../context.ts'
import { json, maybe, textSince, textView, word, type TextField } from '../text-view.ts'

export interface SeenServer {
  readonly row: ListedRow
  /** `UP`, `DOWN`, `UNKNOWN`, `MAINTENANCE`, or empty without a host. */
  readonly hostStatus: string
}

/** What the viewer may see, as plain values: it is sent to the list thread. */
export interface ServerAt extends Pick<At, 'minor' | 'base' | 'bookmark' | 'path' | 'search'> {
  readonly isAdmin: boolean
  readonly extended: boolean
  readonly hostStatus: 'all' | 'unknown' | 'none'
  readonly extraSpecs: boolean
  readonly serviceDownMs: number
}

export const serverAt = (
  { minor, base, bookmark, path, search, allows }: At,
  isAdmin: boolean,
  serviceDownMs: number,
): ServerAt => ({
  minor,
  base,
  bookmark,
  path,
  search,
  isAdmin,
  extended: allows('os_compute_api:os-extended-server-attributes'),
  hostStatus: allows('os_compute_api:servers:show:host_status')
    ? 'all'
    : allows('os_compute_api:servers:show:host_status:unknown-only')
      ? 'unknown'
      : 'none',
  extraSpecs: allows('os_compute_api:servers:show:flavor-extra-specs'),
  serviceDownMs,
})

/** The columns that a viewer is not shown, and that need not be read for a page. */
export const unseenColumns = ({ minor, extended }: ServerAt): readonly Column[] => [
  'task_id',
  'epoch',
  'key_type',
  'locked_by',
  ...(minor < 98 ? (['image'] as const) : []),
  ...(minor < 47 ? (['flavor'] as const) : []),
  ...(extended ? [] : (['hypervisor_hostname', 'reservation_id', 'launch_index', 'root_device_name'] as const)),
]

type Text = TextField<SeenServer, ServerAt>
type OfRow = (row: ListedRow, at: ServerAt) => string | undefined
const of =
  (read: OfRow): Text =>
  ({ row }, at) =>
    read(row, at)
const from = (version: `2.${number}`, read: OfRow) => textSince(version, of(read))
/** For administrators. */
const extended =
  (read: (row: ListedRow) => string): OfRow =>
  (row, at) =>
    at.extended ? read(row) : undefined
/** The other way from a version on. */
const changes =
  (before: OfRow, minor: number, after: OfRow): Text =>
  ({ row }, at) =>
    (at.minor >= minor ? after : before)(row, at)

const statusOfRow = ({ vm_state, task_state }: ListedRow): string =>
  statusOf(vm_state as VmState, task_state as TaskState)
const PROGRESS = new Set(['ACTIVE', 'BUILD', 'DELETED', 'REBUILD', 'RESIZE', 'VERIFY_RESIZE', 'MIGRATING'])
const FAULTY = new Set(['ERROR', 'DELETED'])

/** Many servers have the same flavor, the same image, and a host in common: what was made of their texts is kept. */
function memo<K, T>(make: (key: K) => T): (key: K) => T {
  const known = new Map<K, T>()
  return (key) => {
    const value = known.get(key)
    if (value !== undefined) return value
    if (known.size >= 2_000) known.clear()
    const made = make(key)
    known.set(key, made)
    return made
  }
}
const hostIdOf = memo((projectAndHost: string) => hash('sha224', projectAndHost))
const secondOf = memo((second: number) => word(isoSeconds(second * 1000)))
const microsOf = memo((ms: number) => word(isoMicros(ms)))
const time = (ms: number): string => secondOf(Math.floor(ms / 1000))
const micros = (ms: number | null): string => (ms === null ? 'null' : microsOf(ms))

const links = (at: ServerAt, id: string): string =>
  `[{"rel":"self","href":"${at.base}/servers/${id}"},{"rel":"bookmark","href":"${at.bookmark}/servers/${id}"}]`
const bookmark = (at: ServerAt, kind: string, id: string): string =>
  `[{"rel":"bookmark","href":${json(`${at.bookmark}/${kind}/${id}`)}}]`

function addressesOf({ addresses: text }: ListedRow, more: boolean): string {
  if (text === '[]') return '{}'
  const byNetwork = new Map<string, string>()
  for (const { network, address, version, mac, type = 'fixed' } of JSON.parse(text) as Address[]) {
    const before = byNetwork.get(network)
    const rest = more ? `,"OS-EXT-IPS:type":"${type}","OS-EXT-IPS-MAC:mac_addr":${json(mac)}` : ''
    const one = `{"version":${version},"addr":${json(address)}${rest}}`
    byNetwork.set(network, before === undefined ? one : `${before},${one}`)
  }
  return `{${[...byNetwork].map(([network, all]) => `${json(network)}:[${all}]`).join(',')}}`
}

function fault(row: ListedRow, at: ServerAt): string | undefined {
  if (row.fault === null || !FAULTY.has(statusOfRow(row))) return undefined
  const { code, message, details, createdAt } = JSON.parse(row.fault) as ServerFault
  return json({ code, created: isoSeconds(createdAt), message, ...(at.isAdmin || code !== 500 ? { details } : {}) })
}

const imageLink: OfRow = ({ image_id: id }, at) =>
  id === null ? '""' : `{"id":${json(id)},"links":${bookmark(at, 'images', id)}}`
const imagePropertiesOf = memo((text: string) => {
  const { properties, minDiskGb, minRamMb, diskFormat } = JSON.parse(text) as ServerImage
  return json({ ...properties, min_disk: String(minDiskGb), min_ram: String(minRamMb), disk_format: diskFormat })
})
const image: OfRow = (row, at) =>
  row.image_id === null || row.image === null
    ? imageLink(row, at)
    : `{"id":${json(row.image_id)},"links":${bookmark(at, 'images', row.image_id)},"properties":${imagePropertiesOf(row.image)}}`

const flavorLink: OfRow = ({ flavor_id: id }, at) => `{"id":${json(id)},"links":${bookmark(at, 'flavors', id)}}`
const flavorOf = memo((text: string) => {
  const { vcpus, memoryMb, rootGb, ephemeralGb, swapMb, name, extraSpecs } = JSON.parse(text) as Flavor
  const plain = { vcpus, ram: memoryMb, disk: rootGb, ephemeral: ephemeralGb, swap: swapMb, original_name: name }
  return { plain: json(plain), whole: json({ ...plain, extra_specs: extraSpecs }) }
})
const flavor: OfRow = (row, at) => flavorOf(row.flavor)[at.extraSpecs ? 'whole' : 'plain']

const hostStatus: Text = ({ hostStatus }, at) =>
  at.hostStatus === 'all' || (at.hostStatus === 'unknown' && hostStatus === 'UNKNOWN') ? word(hostStatus) : undefined
const groupsOf = memo((text: string) => json((JSON.parse(text) as string[]).map((name) => ({ name }))))

/** What a change of a server answers too, at every version. */
const CORE = {
  id: of((row) => word(row.id)),
  name: of((row) => json(row.name)),
  status: of((row) => word(statusOfRow(row))),
  tenant_id: of((row) => json(row.project_id)),
  user_id: of((row) => json(row.user_id)),
  metadata: of((row) => row.metadata),
  hostId: of((row) => (row.host === null ? '""' : word(hostIdOf(row.project_id + row.host)))),
  image: changes(imageLink, 98, image),
  flavor: changes(flavorLink, 47, flavor),
  created: of((row) => time(row.created_at)),
  updated: of((row) => time(row.updated_at)),
  addresses: of((row) => addressesOf(row, true)),
  accessIPv4: of((row) => json(row.access_ip_v4 ?? '')),
  accessIPv6: of((row) => json(row.access_ip_v6 ?? '')),
  links: of((row, at) => links(at, row.id)),
  'OS-DCF:diskConfig': of((row) => word(row.disk_config)),
  progress: of((row) =>
    // Beyond upstream: also while data of a server in another state are moved.
    row.progress > 0 || PROGRESS.has(statusOfRow(row)) ? String(row.progress) : undefined,
  ),
  fault: of(fault),
  locked: from('2.9', (row) => String(row.locked === 1)),
  description: from('2.19', (row) => maybe(row.description)),
  tags: from('2.26', (row) => row.tags),
  trusted_image_certificates: from('2.63', () => 'null'),
  locked_reason: from('2.73', (row) => maybe(row.locked_reason)),
}

const REST = {
  'OS-EXT-AZ:availability_zone': of((row) => json(row.availability_zone ?? '')),
  'OS-EXT-STS:task_state': of((row) => maybe(row.task_state)),
  'OS-EXT-STS:vm_state': of((row) => word(row.vm_state)),
  'OS-EXT-STS:power_state': of((row) => String(POWER_STATE_NUMBER[row.power_state as PowerState])),
  'OS-SRV-USG:launched_at': of((row) => micros(row.launched_at)),
  'OS-SRV-USG:terminated_at': of((row) => micros(row.terminated_at)),
  'os-extended-volumes:volumes_attached': of(() => '[]'),
  config_drive: of((row) => (row.config_drive === 1 ? '"True"' : '""')),
  key_name: of((row) => maybe(row.key_name)),
  security_groups: of((row) => (row.security_groups === '[]' ? undefined : groupsOf(row.security_groups))),
  'OS-EXT-SRV-ATTR:host': of(extended((row) => maybe(row.host))),
  'OS-EXT-SRV-ATTR:hypervisor_hostname': of(extended((row) => maybe(row.hypervisor_hostname))),
  'OS-EXT-SRV-ATTR:instance_name': of(extended((row) => word(`instance-${row.number.toString(16).padStart(8, '0')}`))),
  'OS-EXT-SRV-ATTR:reservation_id': from(
    '2.3',
    extended((row) => word(row.reservation_id)),
  ),
  'OS-EXT-SRV-ATTR:launch_index': from(
    '2.3',
    extended((row) => String(row.launch_index)),
  ),
  'OS-EXT-SRV-ATTR:hostname': from('2.3', (row, at) =>
    at.extended || at.minor >= 90 ? json(row.hostname) : undefined,
  ),
  'OS-EXT-SRV-ATTR:kernel_id': from(
    '2.3',
    extended(() => '""'),
  ),
  'OS-EXT-SRV-ATTR:ramdisk_id': from(
    '2.3',
    extended(() => '""'),
  ),
  'OS-EXT-SRV-ATTR:root_device_name': from(
    '2.3',
    extended((row) => maybe(row.root_device_name)),
  ),
  'OS-EXT-SRV-ATTR:user_data': from(
    '2.3',
    extended((row) => maybe(row.user_data ?? null)),
  ),
  host_status: textSince('2.16', hostStatus),
  pinned_availability_zone: from('2.96', (row) => maybe(row.pinned_zone)),
  scheduler_hints: from('2.100', (row) => row.scheduler_hints),
}
const GROUPS = { server_groups: from('2.71', (row) => (row.group_id === null ? '[]' : json([row.group_id]))) }

/** In a detailed list. Each of these answers JSON text. */
export const serverView = textView<SeenServer, ServerAt>({ ...CORE, ...REST })
/** Of one server. */
export const oneServerView = textView<SeenServer, ServerAt>({ ...CORE, ...REST, ...GROUPS })
/** As an answer to a change: from 2.75 on like a shown one. */
const shortServerView = textView<SeenServer, ServerAt>({
  ...CORE,
  addresses: of((row) => addressesOf(row, false)),
  ...GROUPS,
})
export const changedServerView = (server: SeenServer, at: ServerAt): string =>
  (at.minor >= 75 ? oneServerView : shortServerView)(server, at)
/** As an answer to a rebuild, which tells the user-data by another name. */
const { 'OS-EXT-SRV-ATTR:user_data': _, ...othersOfRest } = REST
const wholeRebuiltView = textView<SeenServer, ServerAt>({ ...CORE, ...othersOfRest, ...GROUPS })
export const rebuiltServerView = (server: SeenServer, at: ServerAt): string =>
  (at.minor >= 75 ? wholeRebuiltView : shortServerView)(server, at)
/** In a list without detail. */
export const briefView = textView<SeenServer, ServerAt>({
  id: of((row) => word(row.id)),
  name: of((row) => json(row.name)),
  links: of((row, at) => links(at, row.id)),
})
