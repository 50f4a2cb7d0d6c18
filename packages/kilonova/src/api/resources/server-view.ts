/** A server as users see it at each microversion. It reads rows, not objects: pages of a thousand are common, and most columns are shown as they are. */
import { hash } from 'node:crypto'
import { isoMicros, isoSeconds } from '@kilonova/base/clock.ts'
import type { ListedRow } from '../../db/server-list.ts'
import type { Flavor } from '../../domain/flavor.ts'
import type { Address, ServerFault, ServerImage } from '../../domain/server.ts'
import { POWER_STATE_NUMBER, statusOf, type PowerState, type TaskState, type VmState } from '../../domain/states.ts'
import type { At } from '../context.ts'
import { selfLinks, since, view } from '../resource.ts'

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

export const serverAt = ({ minor, base, bookmark, path, search, allows }: At, isAdmin: boolean, serviceDownMs: number): ServerAt => ({
  minor,
  base,
  bookmark,
  path,
  search,
  isAdmin,
  extended: allows('os_compute_api:os-extended-server-attributes'),
  hostStatus: allows('os_compute_api:servers:show:host_status') ? 'all' : allows('os_compute_api:servers:show:host_status:unknown-only') ? 'unknown' : 'none',
  extraSpecs: allows('os_compute_api:os-flavor-extra-specs:index'),
  serviceDownMs,
})

const statusOfRow = ({ vm_state, task_state }: ListedRow): string => statusOf(vm_state as VmState, task_state as TaskState)
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
const flavorOf = memo((text: string) => JSON.parse(text) as Flavor)
const imageOf = memo((text: string) => JSON.parse(text) as ServerImage)
const hostIdOf = memo((projectAndHost: string) => hash('sha224', projectAndHost))
const secondOf = memo((second: number) => isoSeconds(second * 1000))
const time = (ms: number): string => secondOf(Math.floor(ms / 1000))
const NOTHING = Object.freeze({})

const bookmarkOf = (at: ServerAt, kind: string, id: string) => ({ rel: 'bookmark', href: `${at.bookmark}/${kind}/${id}` })

function addresses({ addresses: text }: ListedRow): Record<string, unknown[]> {
  if (text === '[]') return NOTHING
  const byNetwork: Record<string, unknown[]> = {}
  for (const { network, address, version, mac } of JSON.parse(text) as Address[])
    (byNetwork[network] ??= []).push({ version, addr: address, 'OS-EXT-IPS:type': 'fixed', 'OS-EXT-IPS-MAC:mac_addr': mac })
  return byNetwork
}

function fault(row: ListedRow, at: ServerAt): unknown {
  if (row.fault === null || !FAULTY.has(statusOfRow(row))) return undefined
  const { code, message, details, createdAt } = JSON.parse(row.fault) as ServerFault
  return { code, created: isoSeconds(createdAt), message, ...(at.isAdmin || code !== 500 ? { details } : {}) }
}

function image(row: ListedRow, at: ServerAt): unknown {
  if (row.image_id === null) return ''
  return { id: row.image_id, links: [bookmarkOf(at, 'images', row.image_id)] }
}
const IMAGE_CORE = (image: ServerImage) => ({ min_disk: String(image.minDiskGb), min_ram: String(image.minRamMb), disk_format: image.diskFormat })
function imageWithProperties(row: ListedRow, at: ServerAt): unknown {
  if (row.image_id === null || row.image === null) return image(row, at)
  const known = imageOf(row.image)
  return { id: row.image_id, links: [bookmarkOf(at, 'images', row.image_id)], properties: { ...known.properties, ...IMAGE_CORE(known) } }
}

const flavorLink = (row: ListedRow, at: ServerAt) => ({ id: row.flavor_id, links: [bookmarkOf(at, 'flavors', row.flavor_id)] })
function embeddedFlavor(row: ListedRow, at: ServerAt): unknown {
  const { vcpus, memoryMb, rootGb, ephemeralGb, swapMb, name, extraSpecs } = flavorOf(row.flavor)
  return { vcpus, ram: memoryMb, disk: rootGb, ephemeral: ephemeralGb, swap: swapMb, original_name: name, ...(at.extraSpecs ? { extra_specs: extraSpecs } : {}) }
}

function hostStatus(status: string, at: ServerAt): string | undefined {
  if (at.hostStatus === 'all') return status
  return at.hostStatus === 'unknown' && status === 'UNKNOWN' ? status : undefined
}
const micros = (ms: number | null): string | null => (ms === null ? null : isoMicros(ms))
const groups = (row: ListedRow): unknown => (row.security_groups === '[]' ? undefined : (JSON.parse(row.security_groups) as string[]).map((name) => ({ name })))
/** For administrators: from 2.3. */
const extended = (read: (row: ListedRow) => unknown) => since<SeenServer, ServerAt>('2.3', ({ row }, at) => (at.extended ? read(row) : undefined))
const byVersion = <T>(minor: number, before: T, from: number, after: T): T => (minor >= from ? after : before)

/** What a change of a server answers too, at every version. */
const CORE = {
  id: ({ row }: SeenServer) => row.id,
  name: ({ row }: SeenServer) => row.name,
  status: ({ row }: SeenServer) => statusOfRow(row),
  tenant_id: ({ row }: SeenServer) => row.project_id,
  user_id: ({ row }: SeenServer) => row.user_id,
  metadata: ({ row }: SeenServer) => (row.metadata === '{}' ? NOTHING : (JSON.parse(row.metadata) as unknown)),
  hostId: ({ row }: SeenServer) => (row.host === null ? '' : hostIdOf(row.project_id + row.host)),
  image: ({ row }: SeenServer, at: ServerAt) => byVersion(at.minor, image, 98, imageWithProperties)(row, at),
  flavor: ({ row }: SeenServer, at: ServerAt) => byVersion<(row: ListedRow, at: ServerAt) => unknown>(at.minor, flavorLink, 47, embeddedFlavor)(row, at),
  created: ({ row }: SeenServer) => time(row.created_at),
  updated: ({ row }: SeenServer) => time(row.updated_at),
  addresses: ({ row }: SeenServer) => addresses(row),
  accessIPv4: ({ row }: SeenServer) => row.access_ip_v4 ?? '',
  accessIPv6: ({ row }: SeenServer) => row.access_ip_v6 ?? '',
  links: ({ row }: SeenServer, at: ServerAt) => selfLinks(at, 'servers', row.id),
  'OS-DCF:diskConfig': ({ row }: SeenServer) => row.disk_config,
  progress: ({ row }: SeenServer) => (PROGRESS.has(statusOfRow(row)) ? row.progress : undefined),
  fault: ({ row }: SeenServer, at: ServerAt) => fault(row, at),
  locked: since<SeenServer, ServerAt>('2.9', ({ row }) => row.locked === 1),
  description: since<SeenServer, ServerAt>('2.19', ({ row }) => row.description),
  tags: since<SeenServer, ServerAt>('2.26', () => []),
  trusted_image_certificates: since<SeenServer, ServerAt>('2.63', () => null),
  locked_reason: since<SeenServer, ServerAt>('2.73', () => null),
}

const REST = {
  'OS-EXT-AZ:availability_zone': ({ row }: SeenServer) => row.availability_zone ?? '',
  'OS-EXT-STS:task_state': ({ row }: SeenServer) => row.task_state,
  'OS-EXT-STS:vm_state': ({ row }: SeenServer) => row.vm_state,
  'OS-EXT-STS:power_state': ({ row }: SeenServer) => POWER_STATE_NUMBER[row.power_state as PowerState],
  'OS-SRV-USG:launched_at': ({ row }: SeenServer) => micros(row.launched_at),
  'OS-SRV-USG:terminated_at': ({ row }: SeenServer) => micros(row.terminated_at),
  'os-extended-volumes:volumes_attached': () => [],
  config_drive: ({ row }: SeenServer) => (row.config_drive === 1 ? 'True' : ''),
  key_name: ({ row }: SeenServer) => row.key_name,
  security_groups: ({ row }: SeenServer) => groups(row),
  'OS-EXT-SRV-ATTR:host': ({ row }: SeenServer, at: ServerAt) => (at.extended ? row.host : undefined),
  'OS-EXT-SRV-ATTR:hypervisor_hostname': ({ row }: SeenServer, at: ServerAt) => (at.extended ? row.hypervisor_hostname : undefined),
  'OS-EXT-SRV-ATTR:instance_name': ({ row }: SeenServer, at: ServerAt) => (at.extended ? `instance-${row.number.toString(16).padStart(8, '0')}` : undefined),
  'OS-EXT-SRV-ATTR:reservation_id': extended((row) => row.reservation_id),
  'OS-EXT-SRV-ATTR:launch_index': extended((row) => row.launch_index),
  'OS-EXT-SRV-ATTR:hostname': since<SeenServer, ServerAt>('2.3', ({ row }, at) => (at.extended || at.minor >= 90 ? row.hostname : undefined)),
  'OS-EXT-SRV-ATTR:kernel_id': extended(() => ''),
  'OS-EXT-SRV-ATTR:ramdisk_id': extended(() => ''),
  'OS-EXT-SRV-ATTR:root_device_name': extended((row) => row.root_device_name),
  'OS-EXT-SRV-ATTR:user_data': extended((row) => row.user_data ?? null),
  host_status: since<SeenServer, ServerAt>('2.16', (server, at) => hostStatus(server.hostStatus, at)),
  pinned_availability_zone: since<SeenServer, ServerAt>('2.96', ({ row }) => row.pinned_zone),
  scheduler_hints: since<SeenServer, ServerAt>('2.100', ({ row }) => (row.scheduler_hints === '{}' ? NOTHING : (JSON.parse(row.scheduler_hints) as unknown))),
}

/** In a detailed list. */
export const serverView = view<SeenServer, ServerAt>({ ...CORE, ...REST })
/** Of one server. */
export const oneServerView = view<SeenServer, ServerAt>({ ...CORE, ...REST, server_groups: since('2.71', () => []) })
/** As an answer to a change: from 2.75 on like a shown one. */
const briefChangedView = view<SeenServer, ServerAt>({ ...CORE, server_groups: since('2.71', () => []) })
export const changedServerView = (server: SeenServer, at: ServerAt) => byVersion(at.minor, briefChangedView, 75, oneServerView)(server, at)
/** In a list without detail. */
export const briefView = view<SeenServer, ServerAt>({
  id: ({ row }) => row.id,
  name: ({ row }) => row.name,
  links: ({ row }, at) => selfLinks(at, 'servers', row.id),
})
