/** The network interfaces of a server, as the network service knows them. */
import { z } from 'zod'
import { tagOf } from '../../actions/ports.ts'
import type { Port } from '../../clients/neutron.ts'
import type { Ctx } from '../context.ts'
import { notFound } from '../faults.ts'
import { ip, tag, uuid } from '../fields.ts'
import { get, post, remove, since, view } from '../resource.ts'
import { attach, detach } from './interface-changes.ts'
import { serverTarget } from './server-target.ts'

interface Attachment extends Port {
  readonly tag: string | null
}

const attachment = z.strictObject({
  net_id: uuid.optional(),
  port_id: uuid.optional(),
  fixed_ips: z.tuple([z.strictObject({ ip_address: ip })]).optional(),
})
const body = <S extends z.ZodType>(schema: S) => z.strictObject({ interfaceAttachment: schema.optional() })

const shown = view<Attachment>({
  net_id: ({ networkId }) => networkId,
  port_id: ({ id }) => id,
  mac_addr: ({ mac }) => mac,
  port_state: ({ status }) => status,
  fixed_ips: ({ fixedIps }) => fixedIps.map(({ address, subnetId }) => ({ subnet_id: subnetId, ip_address: address })),
  tag: since('2.70', ({ tag }) => tag),
})

async function attached(ctx: Ctx): Promise<readonly Attachment[]> {
  const target = await serverTarget(ctx)
  const ports = await ctx.neutron.portsOf(target)
  return ports.map((port) => ({ ...port, tag: tagOf(target, port) ?? null }))
}

/** Errors: 404. */
async function attachedAs(ctx: Ctx, portId: string): Promise<Attachment> {
  const found = (await attached(ctx)).find(({ id }) => id === portId)
  if (!found) throw notFound(`Instance ${ctx.params['id']} does not have a port with id ${portId}`)
  return found
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
    run: (ctx) => attachedAs(ctx, ctx.params['port_id'] ?? ''),
    view: (one, at) => ({ interfaceAttachment: shown(one, at) }),
  }),
  post('/servers/:id/os-interface', {
    policy: 'os_compute_api:os-attach-interfaces:create',
    target: serverTarget,
    body: { '2.1': body(attachment), '2.49': body(attachment.extend({ tag: tag.optional() })) },
    run: async (ctx, { target, body: { interfaceAttachment: asked = {} } }) =>
      attachedAs(ctx, await attach(ctx, target, asked)),
    view: (one, at) => ({ interfaceAttachment: shown(one, at) }),
  }),
  remove('/servers/:id/os-interface/:port_id', {
    policy: 'os_compute_api:os-attach-interfaces:delete',
    target: serverTarget,
    status: 202,
    run: (ctx, { target }) => detach(ctx, target, ctx.params['port_id'] ?? ''),
  }),
]
