/** What the metadata service asks the network service of a guest. Upstream: Neutron v2.0; a metadata provider is VMware NSX's. */
import type { Keystone } from './keystone.ts'
import { serviceOf } from './as-us.ts'
import { refused } from './service.ts'

export interface NeutronGuests {
  /** The IPv4 addresses that routers translate to these ports. None where the service has no routers. */
  publicIps(portIds: readonly string[]): Promise<readonly string[]>
  /** The one port with this address in the networks of a metadata provider; undefined: there is none, or more than one. */
  portBehind(
    providerId: string,
    address: string,
  ): Promise<{ readonly serverId: string; readonly projectId: string } | undefined>
}

const NETWORK = 'network'

export function neutronGuests(
  keystone: Keystone,
  { endpoint }: { readonly endpoint: string | undefined },
): NeutronGuests {
  const service = serviceOf(keystone, { type: NETWORK, endpoint })
  /** Undefined: the service does not know such things. */
  async function list<T>(
    collection: string,
    query: readonly (readonly [string, string])[],
  ): Promise<readonly T[] | undefined> {
    const answer = await service.request(
      'GET',
      `/v2.0/${collection}?${new URLSearchParams(query.map((pair) => [...pair])).toString()}`,
    )
    if (answer.status === 404) return undefined
    if (answer.status !== 200) throw refused(NETWORK, answer)
    return (answer.body as Record<string, readonly T[]>)[collection]
  }
  return {
    publicIps: async (portIds) => {
      if (portIds.length === 0) return []
      const found = await list<{ floating_ip_address: string }>(
        'floatingips',
        portIds.map((id) => ['port_id', id]),
      )
      return (found ?? []).map((each) => each.floating_ip_address)
    },
    portBehind: async (providerId, address) => {
      const subnets = await list<{ network_id: string }>('subnets', [
        ['advanced_service_providers', providerId],
        ['fields', 'network_id'],
      ])
      const networks = [...new Set((subnets ?? []).map((subnet) => subnet.network_id))]
      if (networks.length === 0) return undefined
      const ports = await list<{ device_id: string; project_id?: string; tenant_id?: string }>('ports', [
        ['fixed_ips', `ip_address=${address}`],
        ...networks.map((id) => ['network_id', id] as const),
      ])
      const [port, ...more] = ports ?? []
      if (!port || more.length > 0) return undefined
      return { serverId: port.device_id, projectId: port.project_id ?? port.tenant_id ?? '' }
    },
  }
}
