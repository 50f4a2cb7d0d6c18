/** Hosts as operators once saw them, until 2.42: which there are, and what of each is taken by whom. */
import { z } from 'zod'
import { usedByHost } from '../../db/allocations.ts'
import { allHosts, isUp } from '../../db/hosts.ts'
import { serversOn } from '../../db/server-lookups.ts'
import { allServices, COMPUTE } from '../../db/services.ts'
import type { Host } from '../../domain/host.ts'
import type { Server } from '../../domain/server.ts'
import type { Ctx } from '../context.ts'
import { ApiFault, badRequest, notFound } from '../faults.ts'
import { once } from '../fields.ts'
import { get, put } from '../resource.ts'

const nameOf = ({ params }: Ctx): string => params['id'] ?? ''

/** Errors: 404. */
async function find(ctx: Ctx): Promise<Host> {
  const name = nameOf(ctx)
  const host = (await allHosts(ctx.db)).find((each) => each.host === name)
  if (!host) throw notFound(`Host '${name}' is not mapped to any cell`)
  return host
}

interface Amounts {
  readonly cpu: number
  readonly memory_mb: number
  readonly disk_gb: number
}
const resource = (host: string, project: string, amounts: Amounts) => ({ resource: { host, project, ...amounts } })
const sumOf = (servers: readonly Server[]): Amounts => ({
  cpu: servers.reduce((sum, { flavor }) => sum + flavor.vcpus, 0),
  memory_mb: servers.reduce((sum, { flavor }) => sum + flavor.memoryMb, 0),
  disk_gb: servers.reduce((sum, { flavor }) => sum + flavor.rootGb + flavor.ephemeralGb, 0),
})

async function resources(ctx: Ctx) {
  const { host, vcpus, memoryMb, diskGb } = await find(ctx)
  const used = (await usedByHost(ctx.db))[host]
  const servers = await serversOn(ctx.db, host)
  const reserved = ctx.config.DEFAULT.reserved_host_memory_mb
  return [
    resource(host, '(total)', { cpu: vcpus, memory_mb: memoryMb, disk_gb: Math.floor(diskGb) }),
    resource(host, '(used_now)', {
      cpu: used?.vcpus ?? 0,
      memory_mb: (used?.memoryMb ?? 0) + reserved,
      disk_gb: used?.diskGb ?? 0,
    }),
    resource(host, '(used_max)', sumOf(servers)),
    ...[...Map.groupBy(servers, ({ projectId }) => projectId)].map(([project, theirs]) =>
      resource(host, project, sumOf(theirs)),
    ),
  ]
}

/** The hypervisors that there are can neither be switched nor put into maintenance from here, as libvirt's cannot upstream. */
async function cannot(ctx: Ctx): Promise<never> {
  const host = await find(ctx)
  if (!isUp(host, ctx.clock.now(), ctx.config.DEFAULT.service_down_time * 1000))
    throw badRequest(`Compute service of ${host.host} is unavailable at this time.`)
  throw new ApiFault(501, 'The requested functionality is not supported.')
}

const until = '2.42' as const
const lacks = 'hypervisor that is switched from here'
const word = z.enum(['enable', 'disable', 'Enable', 'Disable', 'ENABLE', 'DISABLE'])
const update = z
  .strictObject({ status: word.optional(), maintenance_mode: word.optional() })
  .refine((value) => Object.keys(value).length > 0, '{} is not valid under any of the given schemas')

export const hosts = [
  get('/os-hosts', {
    until,
    policy: 'os_compute_api:os-hosts:list',
    query: z.object({ zone: once(z.string()) }),
    run: async ({ db }, { query: { zone } }) =>
      (await allServices(db)).filter((service) => !service.disabled && (zone || service.zone) === service.zone),
    view: (services) => ({
      hosts: services.map(({ host, binary, zone }) => ({
        host_name: host,
        service: binary === COMPUTE ? 'compute' : binary.replace(/^nova-/, ''),
        zone,
      })),
    }),
  }),
  get('/os-hosts/:id', {
    until,
    policy: 'os_compute_api:os-hosts:show',
    run: resources,
    view: (host) => ({ host }),
  }),
  put('/os-hosts/:id', { until, lacks, policy: 'os_compute_api:os-hosts:update', body: update, run: cannot }),
  get('/os-hosts/:id/reboot', { until, lacks, policy: 'os_compute_api:os-hosts:reboot', run: cannot }),
  get('/os-hosts/:id/shutdown', { until, lacks, policy: 'os_compute_api:os-hosts:shutdown', run: cannot }),
  get('/os-hosts/:id/startup', { until, lacks, policy: 'os_compute_api:os-hosts:start', run: cannot }),
]
