/** Hypervisors: what hosts have, and what of it is taken, by their reports and the allocations. */
import { z } from 'zod'
import { usedByHost } from '../../db/allocations.ts'
import { allHosts, isUp } from '../../db/hosts.ts'
import { listedOn } from '../../db/server-list.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Host } from '../../domain/host.ts'
import type { Ctx } from '../context.ts'
import { badRequest, notFound } from '../faults.ts'
import { boolean, isIdOf, once, page, type IdKind } from '../fields.ts'
import { before, fullPage, get, pageOf, since, view, wrapped, type Page } from '../resource.ts'

interface Seen extends Host {
  readonly up: boolean
  readonly vcpusUsed: number
  readonly memoryMbUsed: number
  readonly diskGbUsed: number
  readonly servers: readonly { readonly id: string; readonly name: string }[]
  readonly withServers: boolean
}

const serversOf = ({ servers }: Seen) => servers.map(({ id, name }) => ({ uuid: id, name }))
const status = {
  id: ({ id, number }: Seen, at: { minor: number }) => (at.minor >= 53 ? id : number),
  hypervisor_hostname: ({ hypervisorHostname }: Seen) => hypervisorHostname,
  state: ({ up }: Seen) => (up ? 'up' : 'down'),
  status: ({ disabled }: Seen) => (disabled ? 'disabled' : 'enabled'),
  // From 2.75 an empty list is said, too.
  servers: since<Seen>('2.53', (host, at) =>
    host.withServers && (host.servers.length > 0 || at.minor >= 75) ? serversOf(host) : undefined,
  ),
}
const gone = <T>(of: (host: Seen) => T) => before<Seen>('2.88', of)
/** ` 12:00:00 up 1 day,  2:03,  0 users,  load average: …`, of which we know the middle. */
function uptime({ uptimeSeconds }: Seen): string {
  const minutes = Math.floor(uptimeSeconds / 60)
  const days = Math.floor(minutes / 1440)
  const clock = `${Math.floor(minutes / 60) % 24}:${String(minutes % 60).padStart(2, '0')}`
  return `up ${days === 0 ? '' : `${days} ${days === 1 ? 'day' : 'days'}, `}${clock}`
}

const brief = view<Seen>(status)
const full = view<Seen>({
  ...status,
  hypervisor_type: ({ hypervisorType }) => hypervisorType,
  hypervisor_version: ({ hypervisorVersion }) => hypervisorVersion,
  host_ip: ({ hostIp }) => hostIp,
  service: ({ host, serviceId, number, disabledReason }, at) => ({
    host,
    id: at.minor >= 53 ? serviceId : number * 2,
    disabled_reason: disabledReason,
  }),
  // Nobody knows of one that is down.
  uptime: since('2.88', (host) => (host.up ? uptime(host) : null)),
  vcpus: gone(({ vcpus }) => vcpus),
  vcpus_used: gone(({ vcpusUsed }) => vcpusUsed),
  memory_mb: gone(({ memoryMb }) => memoryMb),
  memory_mb_used: gone(({ memoryMbUsed }) => memoryMbUsed),
  free_ram_mb: gone(({ memoryMb, memoryMbUsed }) => memoryMb - memoryMbUsed),
  local_gb: gone(({ diskGb }) => Math.floor(diskGb)),
  local_gb_used: gone(({ diskGbUsed }) => diskGbUsed),
  free_disk_gb: gone(({ diskGb, diskGbUsed }) => Math.floor(diskGb) - diskGbUsed),
  disk_available_least: gone(({ diskFreeGb }) => Math.floor(diskFreeGb)),
  running_vms: gone(({ runningServers }) => runningServers),
  current_workload: gone(() => 0),
  cpu_info: before('2.88', ({ cpuInfo }, at) => (at.minor >= 28 ? cpuInfo : JSON.stringify(cpuInfo))),
})
const up = view<Seen>({
  id: status.id,
  hypervisor_hostname: status.hypervisor_hostname,
  state: status.state,
  status: status.status,
  uptime,
})
const withServers = view<Seen>({
  id: status.id,
  hypervisor_hostname: status.hypervisor_hostname,
  state: status.state,
  status: status.status,
  servers: (host) => (host.servers.length > 0 ? serversOf(host) : undefined),
})

async function seen({ db, clock, config }: Ctx, hosts: readonly Host[], servers: boolean): Promise<readonly Seen[]> {
  const used = await usedByHost(db)
  const now = clock.now()
  const guests = servers
    ? Map.groupBy(
        await listedOn(
          db,
          hosts.map(({ host }) => host),
        ),
        ({ host }) => host,
      )
    : new Map<string, never>()
  const reserved = config.DEFAULT.reserved_host_memory_mb
  return hosts.map((host) => ({
    ...host,
    up: isUp(host, now, config.DEFAULT.service_down_time * 1000),
    vcpusUsed: used[host.host]?.vcpus ?? 0,
    memoryMbUsed: (used[host.host]?.memoryMb ?? 0) + reserved,
    diskGbUsed: used[host.host]?.diskGb ?? 0,
    servers: guests.get(host.host) ?? [],
    withServers: servers,
  }))
}

const hypervisorPattern = once(z.string().min(1))
const v53 = { ...page, hypervisor_hostname_pattern: hypervisorPattern, with_servers: once(boolean) }
const queries = {
  '2.1': z.object({}).transform((): Query => ({ ids: 'number' })),
  '2.33': z.object(page).transform((asked): Query => ({ ...asked, ids: 'number' })),
  '2.53': z.strictObject(v53).transform((asked): Query => ({ ...asked, ids: 'uuid' })),
} as const
interface Query {
  readonly ids: IdKind
  readonly limit?: number | undefined
  readonly marker?: string | undefined
  readonly hypervisor_hostname_pattern?: string | undefined
  readonly with_servers?: boolean | undefined
}

const idOf = (ids: IdKind, { id, number }: Host): string => (ids === 'uuid' ? id : String(number))

async function list(
  ctx: Ctx,
  { ids, limit: asked, marker, hypervisor_hostname_pattern: pattern, with_servers: servers = false }: Query,
): Promise<Page<Seen>> {
  if (pattern !== undefined && (asked !== undefined || marker !== undefined))
    throw badRequest('Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.')
  const all = await allHosts(ctx.db)
  const start =
    marker === undefined ? 0 : all.findIndex((host) => isIdOf(ids, marker) && idOf(ids, host) === marker) + 1
  if (marker !== undefined && start === 0) throw new NovaError('MarkerNotFound', { marker })
  const matching =
    pattern === undefined ? all.slice(start) : all.filter((host) => host.hypervisorHostname.includes(pattern))
  if (pattern !== undefined && matching.length === 0)
    throw notFound(`No hypervisor matching '${pattern}' could be found.`)
  const limit = Math.min(asked ?? ctx.config.api.max_limit, ctx.config.api.max_limit)
  return fullPage(
    await seen(ctx, matching.slice(0, limit), servers),
    asked === undefined && pattern !== undefined ? Infinity : limit,
    (host) => idOf(ids, host),
  )
}

async function one(ctx: Ctx, { ids, with_servers: servers = false }: Query): Promise<Seen> {
  const id = ctx.params['id'] ?? ''
  if (ids === 'uuid' && !isIdOf(ids, id)) throw badRequest(`Invalid uuid ${id}`)
  const [found] = await seen(
    ctx,
    (await allHosts(ctx.db)).filter((host) => idOf(ids, host) === id),
    servers,
  )
  if (!found) throw new NovaError('HypervisorNotFound', { id })
  return found
}

async function matching(ctx: Ctx): Promise<Page<Seen>> {
  const pattern = ctx.params['id'] ?? ''
  const hosts = (await allHosts(ctx.db)).filter((host) => host.hypervisorHostname.includes(pattern))
  if (hosts.length === 0) throw notFound(`No hypervisor matching '${pattern}' could be found.`)
  return { items: await seen(ctx, hosts, true), next: undefined }
}

async function statistics(ctx: Ctx) {
  const all = (await seen(ctx, await allHosts(ctx.db), false)).filter(({ disabled }) => !disabled)
  const sum = (of: (host: Seen) => number) => all.reduce((total, host) => total + of(host), 0)
  return {
    count: all.length,
    vcpus: sum(({ vcpus }) => vcpus),
    vcpus_used: sum(({ vcpusUsed }) => vcpusUsed),
    memory_mb: sum(({ memoryMb }) => memoryMb),
    memory_mb_used: sum(({ memoryMbUsed }) => memoryMbUsed),
    free_ram_mb: sum(({ memoryMb, memoryMbUsed }) => memoryMb - memoryMbUsed),
    local_gb: sum(({ diskGb }) => Math.floor(diskGb)),
    local_gb_used: sum(({ diskGbUsed }) => diskGbUsed),
    free_disk_gb: sum(({ diskGb, diskGbUsed }) => Math.floor(diskGb) - diskGbUsed),
    disk_available_least: sum(({ diskFreeGb }) => Math.floor(diskFreeGb)),
    running_vms: sum(({ runningServers }) => runningServers),
    current_workload: 0,
  }
}

const showQuery = {
  '2.1': z.object({}).transform((): Query => ({ ids: 'number' })),
  '2.53': z.strictObject({ with_servers: once(boolean) }).transform((asked): Query => ({ ...asked, ids: 'uuid' })),
} as const
const uptimeQuery = {
  '2.1': z.object({}).transform((): Query => ({ ids: 'number' })),
  '2.53': z.object({}).transform((): Query => ({ ids: 'uuid' })),
} as const

/** Who is down cannot be asked for how long it is up. */
async function answering(host: Seen): Promise<Seen> {
  if (!host.up) throw badRequest(`Compute service of ${host.host} is unavailable at this time.`)
  return host
}

export const hypervisors = [
  get('/os-hypervisors', {
    policy: 'os_compute_api:os-hypervisors:list',
    query: queries,
    run: (ctx, { query }) => list(ctx, query),
    view: pageOf('hypervisors', brief),
  }),
  get('/os-hypervisors/detail', {
    policy: 'os_compute_api:os-hypervisors:list-detail',
    query: queries,
    run: (ctx, { query }) => list(ctx, query),
    view: pageOf('hypervisors', full),
  }),
  get('/os-hypervisors/statistics', {
    policy: 'os_compute_api:os-hypervisors:statistics',
    until: '2.87',
    run: statistics,
    view: (all) => ({ hypervisor_statistics: all }),
  }),
  get('/os-hypervisors/:id', {
    policy: 'os_compute_api:os-hypervisors:show',
    query: showQuery,
    run: (ctx, { query }) => one(ctx, query),
    view: wrapped('hypervisor', full),
  }),
  get('/os-hypervisors/:id/uptime', {
    policy: 'os_compute_api:os-hypervisors:uptime',
    until: '2.87',
    query: uptimeQuery,
    run: async (ctx, { query }) => answering(await one(ctx, query)),
    view: wrapped('hypervisor', up),
  }),
  get('/os-hypervisors/:id/search', {
    policy: 'os_compute_api:os-hypervisors:search',
    until: '2.52',
    run: matching,
    view: pageOf('hypervisors', brief),
  }),
  get('/os-hypervisors/:id/servers', {
    policy: 'os_compute_api:os-hypervisors:servers',
    until: '2.52',
    run: matching,
    view: pageOf('hypervisors', withServers),
  }),
]
