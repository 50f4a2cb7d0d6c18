/** The ports of a server: made or bound for it, found again by owner and tag, given back with it. Used by several actions. */
import type { Neutron, Port, PortOwner } from '../clients/neutron.ts'
import { NovaError } from '../domain/errors.ts'
import { nicQuota } from '../domain/hardware/nic-quota.ts'
import type { Address, RequestedNic, Server } from '../domain/server.ts'
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
  for (const port of await neutron.portsOf(server)) await releasePort(neutron, port)
}
export const releasePort = (neutron: Neutron, port: Port): Promise<void> =>
  port.tags.some((tag) => tag.startsWith(OURS)) ? neutron.deletePort(port.id) : neutron.unbindPort(port.id)

/** What a port carries that was made for an interface by this step. */
export const attachedTag = (key: string): string => `${OURS}${key}:attached`

/** In the order of the interfaces that were asked for, so that a guest made anew finds its cards as they were. */
export async function portFactsOf(neutron: Neutron, server: Server): Promise<readonly PortFacts[]> {
  if (server.requestedNics.length === 0) return []
  const ports = await neutron.portsOf(server)
  const number = (port: Port) => nicNumber(server, port) ?? Infinity
  return serverFacts(
    neutron,
    server,
    ports.toSorted((a, b) => (number(a) === number(b) ? 0 : number(a) - number(b))),
  )
}

/** Facts of these ports of the server, with the tags that its user gave to interfaces, and as fast as its flavor lets them be. */
export async function serverFacts(
  neutron: Neutron,
  server: Server,
  ports: readonly Port[],
): Promise<readonly PortFacts[]> {
  const facts = await neutron.facts(ports, server.hostname)
  const tags = new Map(ports.map((port) => [port.id, tagOf(server, port)]))
  const quota = nicQuota(server.flavor.extraSpecs)
  return facts.map((each) => {
    const tag = tags.get(each.portId)
    return { ...each, ...(tag === undefined ? {} : { tag }), ...(quota ? { quota } : {}) }
  })
}

/**
 * The server's interfaces with each one's port named: the numbers that are written on ports hold only while none leaves the list.
 * Those whose port is gone are left out.
 */
export function namedNics(server: Pick<Server, 'requestedNics'>, ports: readonly Port[]): readonly RequestedNic[] {
  const byNumber = new Map(ports.map((port) => [nicNumber(server, port), port]))
  return server.requestedNics.flatMap((nic, number) => {
    const port = byNumber.get(number)
    return port ? [{ ...nic, networkId: port.networkId, portId: port.id }] : []
  })
}

/** What its user called the interface that the port is for. */
export const tagOf = (server: Pick<Server, 'requestedNics'>, port: Port): string | undefined =>
  server.requestedNics[nicNumber(server, port) ?? -1]?.tag

/** Whether the server's record has the port. */
export const showsPort = ({ requestedNics, addresses }: Server, id: string): boolean =>
  [...requestedNics, ...addresses].some(({ portId }) => portId === id)

/** Which of the requested interfaces a port is for: by its id, or by the number that was written on it. */
function nicNumber(
  { requestedNics }: Pick<Server, 'requestedNics'>,
  port: Pick<Port, 'id' | 'tags'>,
): number | undefined {
  const given = requestedNics.findIndex(({ portId }) => portId === port.id)
  const written = port.tags
    .find((tag) => tag.startsWith(OURS))
    ?.split(':')
    .at(-1)
  return given >= 0 ? given : written === undefined || !/^\d+$/.test(written) ? undefined : Number(written)
}

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
