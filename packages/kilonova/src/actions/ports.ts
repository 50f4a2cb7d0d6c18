/** The ports of a server: made or bound for it, found again by owner and tag, given back with it. Used by several actions. */
import type { Neutron, Port, PortOwner } from '../clients/neutron.ts'
import { NovaError } from '../domain/errors.ts'
import type { Address, Server } from '../domain/server.ts'
import type { PortFacts } from '../virt/driver.ts'

const OURS = 'kilonova:'

export interface PortRequest {
  readonly key: string
  readonly firstTry: boolean
  readonly server: Server
  readonly place: { readonly host: string; readonly availabilityZone: string }
  readonly securityGroups: readonly string[]
}

/** One port per requested interface, in order. */
export async function makePorts(
  neutron: Neutron,
  { key, firstTry, server, place, securityGroups }: PortRequest,
): Promise<readonly Port[]> {
  const known = firstTry ? [] : await neutron.portsOf(server)
  const ports: Port[] = []
  for (const [index, nic] of server.requestedNics.entries()) {
    const tag = `${OURS}${key}:${index}`
    const found = known.find((port) => (nic.portId === undefined ? port.tags.includes(tag) : port.id === nic.portId))
    const binding = { serverId: server.id, host: place.host, zone: place.availabilityZone }
    if (found) ports.push(found)
    else if (nic.portId !== undefined) {
      // Looked at again: it was free when the server was asked for.
      const port = await neutron.port(nic.portId)
      if (port && port.deviceId !== '') throw new NovaError('PortInUse', { id: nic.portId })
      ports.push(await neutron.bindPort(nic.portId, binding))
    } else if (nic.networkId !== undefined)
      ports.push(
        await neutron.createPort({
          ...binding,
          networkId: nic.networkId,
          projectId: server.projectId,
          tag,
          securityGroups,
          hostname: server.hostname,
          ...(nic.fixedIp === undefined ? {} : { fixedIp: nic.fixedIp }),
        }),
      )
  }
  return ports
}

/** Deletes the ports that were made for the server and gives the user's own ones back. */
export async function releasePorts(neutron: Neutron, server: PortOwner): Promise<void> {
  for (const port of await neutron.portsOf(server)) {
    if (port.tags.some((tag) => tag.startsWith(OURS))) await neutron.deletePort(port.id)
    else await neutron.unbindPort(port.id)
  }
}

export const portFactsOf = async (neutron: Neutron, server: Server): Promise<readonly PortFacts[]> =>
  server.requestedNics.length === 0 ? [] : neutron.facts(await neutron.portsOf(server), server.hostname)

export const addressesOf = (ports: readonly PortFacts[]): readonly Address[] =>
  ports.flatMap((port) =>
    port.fixedIps.map(({ address }) => ({
      network: port.networkName,
      networkId: port.networkId,
      portId: port.portId,
      address,
      version: address.includes(':') ? (6 as const) : (4 as const),
      mac: port.mac,
    })),
  )
