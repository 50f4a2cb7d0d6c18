/** Attach a network interface to a server: a port of the user's, or one that is made, becomes a card of its guest, at once where that runs. */
import { z } from 'zod'
import type { Port } from '../clients/neutron.ts'
import { isNovaError, NovaError } from '../domain/errors.ts'
import type { RequestedNic, Server } from '../domain/server.ts'
import type { Base } from '../task/action.ts'
import { action, type Reach } from './define.ts'
import { guestOf } from './guest.ts'
import { addressesOf, attachedTag, namedNics, portFactsOf, releasePort } from './ports.ts'
import { hostOf } from './power.ts'

export const attachBody = z.strictObject({
  networkId: z.string(),
  /** The user's own; otherwise one is made on the network. */
  portId: z.string().optional(),
  fixedIp: z.string().optional(),
  tag: z.string().optional(),
})
export type AttachBody = z.output<typeof attachBody>
type Ctx = Reach & Base<AttachBody>
type Made = { readonly portId: string }

/** The port that the step made or bound, if any: an answer that was lost leaves no other trace. */
async function madeBy({ neutron, server, body: { portId } }: Ctx, tag: string): Promise<Port | undefined> {
  if (portId === undefined) return (await neutron.portsOf(server)).find(({ tags }) => tags.includes(tag))
  const port = await neutron.port(portId)
  return port?.deviceId === server.id ? port : undefined
}

const tagOf = ({ key }: Ctx): string => attachedTag(key)

async function make(ctx: Ctx): Promise<Port> {
  const { neutron, server, body } = ctx
  const { host, availabilityZone } = server
  if (host === null) throw new NovaError('InstanceNotReady', { id: server.id })
  const found = ctx.firstTry ? undefined : await madeBy(ctx, tagOf(ctx))
  if (found) return found
  const binding = { serverId: server.id, host, zone: availabilityZone ?? '' }
  if (body.portId !== undefined) {
    await mustBeFree(ctx, body.portId)
    return neutron.bindPort(body.portId, binding)
  }
  const { networkId, fixedIp } = body
  return neutron.createPort({
    ...binding,
    networkId,
    projectId: server.projectId,
    tag: tagOf(ctx),
    securityGroups: [],
    hostname: server.hostname,
    ...(fixedIp === undefined ? {} : { fixedIp }),
  })
}

async function mustBeFree({ neutron }: Ctx, id: string): Promise<void> {
  const port = await neutron.port(id)
  if (!port) throw new NovaError('PortNotFound', { id })
  if (port.deviceId !== '') throw new NovaError('PortInUse', { id })
}

/** The network service's refusals that upstream knows by name. */
function known(error: unknown, { networkId, fixedIp = '' }: AttachBody): unknown {
  if (!isNovaError(error, 'ServiceRefused')) return error
  switch (error.detail.type) {
    case 'IpAddressGenerationFailure':
      return new NovaError('NoMoreFixedIps', { network: networkId }, { cause: error })
    case 'IpAddressInUse':
    case 'IpAddressAlreadyAllocated':
      return new NovaError('FixedIpAlreadyInUse', { address: fixedIp }, { cause: error })
    case 'InvalidIpForNetwork':
      return new NovaError('FixedIpInvalid', { address: fixedIp, network: networkId }, { cause: error })
    case 'OverQuota':
      return new NovaError('PortLimitExceeded', {}, { cause: error })
    default:
      return error
  }
}

/** The server as it will be. */
async function withPort({ neutron, server, body }: Ctx, { portId }: Made): Promise<Server> {
  const { networkId, tag } = body
  const nics = namedNics(server, await neutron.portsOf(server)).filter((nic) => nic.portId !== portId)
  const nic: RequestedNic = { networkId, portId, ...(tag === undefined ? {} : { tag }) }
  return { ...server, requestedNics: [...nics, nic] }
}

export const attachInterface = action('attachInterface', {
  body: attachBody,
  policy: 'os_compute_api:os-attach-interfaces:create',
  when: { vmState: ['active', 'paused', 'stopped'], needsHost: true },
  duringTask: 'refuse',
  taskState: 'attaching-interface',
  then: {},
  shownAs: { action: 'attach_interface', event: 'compute_attach_interface' },
})
  // On its own: one that is the server's already must not be taken from it by the undo of the next step.
  .step('check', {
    run: async (ctx) => {
      if (ctx.body.portId !== undefined) await mustBeFree(ctx, ctx.body.portId)
    },
  })
  .step('port', {
    run: async (ctx): Promise<Made> => {
      const port = await make(ctx).catch((error: unknown) => {
        throw known(error, ctx.body)
      })
      return { portId: port.id }
    },
    undo: async (ctx) => {
      const port = await madeBy(ctx, tagOf(ctx))
      if (port) await releasePort(ctx.neutron, port)
    },
  })
  .step('card', {
    run: async (ctx, { port }) => {
      const server = await withPort(ctx, port)
      await hostOf(ctx).plugNic(guestOf(server, await portFactsOf(ctx.neutron, server)), port.portId)
    },
    undo: async (ctx, { port }) => {
      const ports = await portFactsOf(ctx.neutron, ctx.server)
      const left = ports.filter(({ portId }) => portId !== port.portId)
      await hostOf(ctx).unplugNic(guestOf(ctx.server, left), port.portId)
    },
  })
  .pivot()
  .step('record', {
    run: async (ctx, { port }) => {
      const server = await withPort(ctx, port)
      const facts = (await portFactsOf(ctx.neutron, server)).filter(({ portId }) => portId === port.portId)
      const others = ctx.server.addresses.filter(({ portId }) => portId !== port.portId)
      await ctx.rows.nics(server.requestedNics)
      await ctx.rows.addresses([...others, ...addressesOf(facts)])
    },
  })
