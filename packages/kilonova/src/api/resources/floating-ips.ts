/** Floating IPs and the networks they come from, as the network service keeps them: until 2.35, and giving them to servers until 2.43. */
import { z } from 'zod'
import { RefusedError } from '../../clients/neighbour.ts'
import type { Server } from '../../domain/server.ts'
import type { Ctx } from '../context.ts'
import { ApiFault, badRequest, notFound } from '../faults.ts'
import { ip } from '../fields.ts'
import { networkService, type FloatingIpBody } from '../network-service.ts'
import { foreseeing, type Foreseen } from '../refused.ts'
import { get, post, remove, view } from '../resource.ts'
import type { PlainAction } from './server-action.ts'

interface Shown extends FloatingIpBody {
  readonly pool: string
  readonly serverId: string | null
}
const shown = view<Shown>({
  fixed_ip: ({ fixed_ip_address: address }) => address,
  id: ({ id }) => id,
  instance_id: ({ serverId }) => serverId,
  ip: ({ floating_ip_address: address }) => address,
  pool: ({ pool }) => pool,
})
const one = (found: Shown, at: Parameters<typeof shown>[1]) => ({ floating_ip: shown(found, at) })

/** With the names of their networks, and the servers that their ports belong to. */
async function details(ctx: Ctx, found: readonly FloatingIpBody[]): Promise<readonly Shown[]> {
  if (found.length === 0) return []
  const { list } = networkService(ctx)
  const portIds = found.flatMap(({ port_id: id }) => id ?? [])
  const [networks, ports] = await Promise.all([
    list('networks', { id: [...new Set(found.map((each) => each.floating_network_id))] }),
    portIds.length === 0 ? [] : list('ports', { id: portIds }),
  ])
  return found.map((each) => ({
    ...each,
    pool: networks.find(({ id }) => id === each.floating_network_id)?.name || each.floating_network_id,
    serverId: ports.find(({ id }) => id === each.port_id)?.device_id || null,
  }))
}
async function detail(ctx: Ctx, found: FloatingIpBody): Promise<Shown> {
  const [only] = await details(ctx, [found])
  return only ?? { ...found, pool: found.floating_network_id, serverId: null }
}

/** A network service without routers knows of no floating IPs. */
const orNone = async (asked: Promise<readonly FloatingIpBody[]>): Promise<readonly FloatingIpBody[]> =>
  asked.catch((error: unknown) => {
    if (error instanceof RefusedError && error.status === 404) return []
    throw error
  })

/** Errors: 404. */
async function find(ctx: Ctx): Promise<FloatingIpBody> {
  const id = ctx.params['id'] ?? ''
  const unknown: Foreseen = { 404: [404, `Floating IP not found for ID ${id}`], 400: 400 }
  return foreseeing(unknown, networkService(ctx).show('floatingips', id))
}

const UUID = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i
async function allocate(ctx: Ctx, asked: string | null | undefined): Promise<Shown> {
  const pool = asked ?? ctx.config.neutron.default_floating_pool
  const { list, create } = networkService(ctx)
  const networks = await list('networks', {
    'router:external': 'True',
    ...(UUID.test(pool) ? { id: pool } : { name: pool }),
  })
  const [network, ...more] = networks
  if (!network) throw notFound('Floating IP pool not found.')
  if (more.length > 0) throw badRequest(`Multiple floating IP pools matches found for name '${pool}'`)
  const [none, over] = asked
    ? [`No more floating IPs in pool ${asked}.`, `IP allocation over quota in pool ${asked}.`]
    : ['No more floating IPs available.', 'IP allocation over quota.']
  const foreseen: Foreseen = {
    '409 IpAddressGenerationFailure': [404, none],
    '409 ExternalIpAddressExhausted': [404, none],
    '409 OverQuota': [403, over],
    400: 400,
  }
  return detail(ctx, await foreseeing(foreseen, create('floatingips', { floating_network_id: network.id })))
}

/** Errors: 404, 409 when several have it. */
async function byAddress(ctx: Ctx, address: string): Promise<FloatingIpBody> {
  const [found, ...more] = await orNone(networkService(ctx).list('floatingips', { floating_ip_address: address }))
  if (!found) throw notFound('floating IP not found')
  if (more.length > 0) throw new ApiFault(409, `Multiple floating IPs are found for address ${address}.`)
  return found
}

const add = z.strictObject({ address: ip, fixed_address: ip.optional() })
const take = z.strictObject({ address: ip })
const isIpv4 = (address: string): boolean => !address.includes(':')

async function associate(ctx: Ctx, server: Server, { address, fixed_address: asked }: z.output<typeof add>) {
  const { id } = server
  const ports = await ctx.neutron.portsOf(server)
  const fixed = ports.flatMap((port) => port.fixedIps.map(({ address: each }) => ({ port: port.id, address: each })))
  if (ports.length === 0) throw badRequest('Instance network is not ready yet')
  if (fixed.length === 0) throw badRequest('No fixed IPs associated to instance')
  const chosen = fixed.find((each) => (asked === undefined ? isIpv4(each.address) : each.address === asked))
  if (!chosen)
    throw badRequest(
      asked === undefined
        ? `Unable to associate floating IP ${address} to any fixed IPs for instance ${id}. Instance has no fixed IPv4 addresses to associate.`
        : 'Specified fixed address not assigned to instance',
    )
  const floating = await byAddress(ctx, address)
  const values = { port_id: chosen.port, fixed_ip_address: chosen.address }
  const failed = (why: string) =>
    `Unable to associate floating IP ${address} to fixed IP ${chosen.address} for instance ${id}. Error: ${why}`
  const foreseen: Foreseen = { 409: 400, 400: 400, 404: [400, failed] }
  await foreseeing(foreseen, networkService(ctx).update('floatingips', floating.id, values))
}

async function disassociate(ctx: Ctx, server: Server, { address }: z.output<typeof take>) {
  const floating = await byAddress(ctx, address)
  if (!(await ctx.neutron.portsOf(server)).some(({ id }) => id === floating.port_id))
    throw new ApiFault(409, `Floating IP ${address} is not associated with instance ${server.id}.`)
  await foreseeing({}, networkService(ctx).update('floatingips', floating.id, { port_id: null }))
}

const accepted = { status: 202 } as const
export const addFloatingIp: PlainAction = {
  policy: 'os_compute_api:os-floating-ips:add',
  value: add,
  until: '2.43',
  run: async (ctx, server, value) => {
    await associate(ctx, server, add.parse(value))
    return accepted
  },
}
export const removeFloatingIp: PlainAction = {
  policy: 'os_compute_api:os-floating-ips:remove',
  value: take,
  until: '2.43',
  run: async (ctx, server, value) => {
    await disassociate(ctx, server, take.parse(value))
    return accepted
  },
}

const capped = { until: '2.35' } as const

export const floatingIps = [
  get('/os-floating-ip-pools', {
    ...capped,
    policy: 'os_compute_api:os-floating-ip-pools',
    run: (ctx) => networkService(ctx).list('networks', { 'router:external': 'True' }),
    view: (pools) => ({ floating_ip_pools: pools.map(({ id, name }) => ({ name: name || id })) }),
  }),
  get('/os-floating-ips', {
    ...capped,
    policy: 'os_compute_api:os-floating-ips:list',
    run: async (ctx) =>
      details(ctx, await orNone(networkService(ctx).list('floatingips', { project_id: ctx.caller.projectId }))),
    view: (all, at) => ({ floating_ips: all.map((each) => shown(each, at)) }),
  }),
  post('/os-floating-ips', {
    ...capped,
    policy: 'os_compute_api:os-floating-ips:create',
    body: z.looseObject({ pool: z.string().nullable().optional() }).nullable(),
    run: (ctx, { body }) => allocate(ctx, body?.pool),
    view: one,
  }),
  get('/os-floating-ips/:id', {
    ...capped,
    policy: 'os_compute_api:os-floating-ips:show',
    run: async (ctx) => detail(ctx, await find(ctx)),
    view: one,
  }),
  remove('/os-floating-ips/:id', {
    ...capped,
    policy: 'os_compute_api:os-floating-ips:delete',
    status: 202,
    run: async (ctx) => {
      const { id } = await find(ctx)
      const unknown: Foreseen = { 404: [404, `Floating IP not found for ID ${id}`] }
      await foreseeing(unknown, networkService(ctx).remove('floatingips', id))
    },
  }),
]
