/** The network interfaces of a server, as the network service knows them. */
import type { Port } from '../../clients/neutron.ts'
import type { Ctx } from '../context.ts'
import { notFound } from '../faults.ts'
import { get, since, view } from '../resource.ts'
import { serverTarget } from './server-target.ts'

interface Attachment extends Port {
  readonly tag: string | null
}

const shown = view<Attachment>({
  net_id: ({ networkId }) => networkId,
  port_id: ({ id }) => id,
  mac_addr: ({ mac }) => mac,
  port_state: ({ status }) => status,
  fixed_ips: ({ fixedIps }) => fixedIps.map(({ address, subnetId }) => ({ subnet_id: subnetId, ip_address: address })),
  tag: since('2.70', ({ tag }) => tag),
})

/** Tags are given per interface at creation; a port made for one is known by its network. */
async function attached(ctx: Ctx): Promise<readonly Attachment[]> {
  const target = await serverTarget(ctx)
  const tagged = target.requestedNics.filter(({ tag }) => tag !== undefined)
  const ports = await ctx.neutron.portsOf(target)
  return ports.map((port) => ({
    ...port,
    tag:
      tagged.find(({ portId, networkId }) => (portId === undefined ? networkId === port.networkId : portId === port.id))
        ?.tag ?? null,
  }))
}

export const interfaces = [
  get('/servers/:id/os-interface', {
    policy: 'os_compute_api:os-attach-interfaces:list',
    target: serverTarget,
    run: attached,
    view: (all, at) => ({ interfaceAttachments: all.map((each) => shown(each, at)) }),
  }),
  get('/servers/:id/os-interface/:port_id', {
    policy: 'os_compute_api:os-attach-interfaces:show',
    target: serverTarget,
    run: async (ctx) => {
      const port = ctx.params['port_id'] ?? ''
      const found = (await attached(ctx)).find(({ id }) => id === port)
      if (!found) throw notFound(`Instance ${ctx.params['id']} does not have fixed ip port ${port}`)
      return found
    },
    view: (one, at) => ({ interfaceAttachment: shown(one, at) }),
  }),
]
