/** One more address for a server on a network that it is on, or one less; until 2.43. Upstream: nova/api/openstack/compute/multinic.py. */
import { z } from 'zod'
import { RefusedError } from '../../clients/neighbour.ts'
import type { Server } from '../../domain/server.ts'
import type { Ctx } from '../context.ts'
import { badRequest, notFound } from '../faults.ts'
import { ip } from '../fields.ts'
import { networkService } from '../network-service.ts'
import { foreseeing } from '../refused.ts'
import { refreshPorts } from '../refresh-ports.ts'
import type { PlainAction } from './server-action.ts'

const add = z.strictObject({ networkId: z.union([z.string().min(1).max(36), z.number()]) })
const take = z.strictObject({ address: ip })

/** The first port and subnet of the network that still have an address. Errors: 404. */
async function addOne(ctx: Ctx, server: Server, networkId: string): Promise<void> {
  const { list, update } = networkService(ctx)
  const subnets = await list('subnets', { network_id: networkId })
  const ports = (await ctx.neutron.portsOf(server)).filter((port) => port.networkId === networkId)
  for (const port of ports)
    for (const subnet of subnets) {
      const own = port.fixedIps.map(({ address, subnetId }) => ({ ip_address: address, subnet_id: subnetId }))
      try {
        await update('ports', port.id, { fixed_ips: [...own, { subnet_id: subnet.id }] })
        return
      } catch (error) {
        // The next subnet may have one.
        if (!(error instanceof RefusedError)) throw error
        ctx.log.info('no address of a subnet for a port', { port: port.id, subnet: subnet.id, error })
      }
    }
  throw notFound(`Network could not be found for instance ${server.id}.`)
}

async function takeOne(ctx: Ctx, server: Server, address: string): Promise<void> {
  const port = (await ctx.neutron.portsOf(server)).find(({ fixedIps }) =>
    fixedIps.some((each) => each.address === address),
  )
  if (!port) throw badRequest(`Instance ${server.id} doesn't have fixed IP '${address}'.`)
  const left = port.fixedIps
    .filter((each) => each.address !== address)
    .map((each) => ({ ip_address: each.address, subnet_id: each.subnetId }))
  await foreseeing({ 400: 400, 409: 400 }, networkService(ctx).update('ports', port.id, { fixed_ips: left }))
}

const action = <S extends z.ZodType>(
  policy: string,
  value: S,
  work: (ctx: Ctx, server: Server, value: z.output<S>) => Promise<void>,
): PlainAction => ({
  policy,
  value,
  until: '2.43',
  run: async (ctx, server, given) => {
    await work(ctx, server, value.parse(given))
    await refreshPorts(ctx, server)
    return { status: 202 }
  },
})
export const addFixedIp = action('os_compute_api:os-multinic:add', add, (ctx, server, { networkId }) =>
  addOne(ctx, server, String(networkId)),
)
export const removeFixedIp = action('os_compute_api:os-multinic:remove', take, (ctx, server, { address }) =>
  takeOne(ctx, server, address),
)
