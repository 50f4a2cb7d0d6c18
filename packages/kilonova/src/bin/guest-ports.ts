/** The ports that a guest is told of; those with a tag with their place on the guest's bus, which its host knows. */
import type { Log } from '@kilonova/base/log.ts'
import { portFactsOf } from '../actions/ports.ts'
import type { Neutron } from '../clients/neutron.ts'
import type { GuestPort } from '../domain/guest-metadata-network.ts'
import type { Server } from '../domain/server.ts'
import type { Bus } from '../rpc/bus.ts'
import { compute, computeTopic } from '../rpc/compute.ts'
import { client } from '../rpc/contract.ts'

const ANSWER_MS = 5_000
const NOBODY = { requestId: '-', userId: '-', projectId: '-' }

export async function guestPortsOf(
  neutron: Neutron,
  bus: Bus,
  log: Log,
  server: Server,
): Promise<readonly GuestPort[]> {
  const ports = await portFactsOf(neutron, server)
  if (server.host === null || ports.every(({ tag }) => tag === undefined)) return ports
  const nics = await client(compute, bus, computeTopic(server.host), NOBODY, ANSWER_MS)
    .guestNics({ serverId: server.id })
    .catch((error: unknown) => {
      log.warn('host does not tell where cards are', { server: server.id, host: server.host, error })
      return []
    })
  return ports.map((port) => {
    const nic = nics.find(({ mac }) => mac === port.mac.toLowerCase())
    return nic ? { ...port, bus: nic.bus, busAddress: nic.address } : port
  })
}
