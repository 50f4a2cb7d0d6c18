/** Detach a network interface: the guest lets go of the card, the record forgets it, and its port is given back, or deleted where it was made for the server. */
import { z } from 'zod'
import type { Base } from '../task/action.ts'
import { action, type Reach } from './define.ts'
import { guestOf } from './guest.ts'
import { namedNics, portFactsOf, releasePort } from './ports.ts'

export const detachBody = z.strictObject({ portId: z.string() })
type Ctx = Reach & Base<z.output<typeof detachBody>>

async function takeCard({ neutron, server, hostAt, body: { portId } }: Ctx): Promise<void> {
  if (server.host === null) return
  const left = (await portFactsOf(neutron, server)).filter((port) => port.portId !== portId)
  await hostAt(server.host).unplugNic(guestOf(server, left), portId)
}

/** One that is gone from the network service cannot be given again. */
async function giveCard({ neutron, server, hostAt, body: { portId } }: Ctx): Promise<void> {
  if (server.host === null) return
  const ports = await portFactsOf(neutron, server)
  if (ports.some((port) => port.portId === portId)) await hostAt(server.host).plugNic(guestOf(server, ports), portId)
}

async function forget({ neutron, server, rows, body: { portId } }: Ctx): Promise<void> {
  const nics = namedNics(server, await neutron.portsOf(server))
  await rows.nics(nics.filter((nic) => nic.portId !== portId))
  await rows.addresses(server.addresses.filter((address) => address.portId !== portId))
}

async function giveBack({ neutron, server, body: { portId } }: Ctx): Promise<void> {
  const port = await neutron.port(portId)
  if (port?.deviceId === server.id) await releasePort(neutron, port)
}

const spec = {
  body: detachBody,
  policy: 'os_compute_api:os-attach-interfaces:delete',
  duringTask: 'refuse',
  taskState: 'detaching-interface',
  then: {},
  shownAs: { action: 'detach_interface', event: 'compute_detach_interface' },
} as const

export const detachInterface = action('detachInterface', {
  ...spec,
  when: { vmState: ['active', 'paused', 'stopped'], needsHost: true },
})
  .step('card', { run: takeCard, undo: giveCard })
  .pivot()
  .step('record', { run: forget })
  .step('port', { run: giveBack })

/**
 * The port was taken from the server in the network service. No user asks for it here, so locks and most states do not matter; of a suspended
 * guest nothing can be taken while it is only a memory.
 */
export const loseInterface = action('loseInterface', {
  ...spec,
  when: {
    vmState: [
      'active',
      'paused',
      'stopped',
      'rescued',
      'resized',
      'shelved',
      'shelved_offloaded',
      'soft-delete',
      'error',
    ],
    allowLocked: true,
  },
})
  .step('card', { run: takeCard, undo: giveCard })
  .pivot()
  .step('record', { run: forget })
  .step('port', { run: giveBack })
