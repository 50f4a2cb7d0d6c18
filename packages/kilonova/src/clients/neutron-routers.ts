/** The routers that hosts must have, put together from lists of routers, their ports, networks and subnets, floating IPs and guests' ports. */
import type { RouterFacts, RouterPort } from '../virt/driver.ts'
import { networkOf, type NetworkBody, type PortBody, portOf, type SubnetBody } from './neutron-bodies.ts'
import { inChunks, isRouted, type ReadList, subnetOf } from './neutron-facts.ts'
import type { Port } from './neutron.ts'

interface RouterBody {
  readonly id: string
  readonly admin_state_up?: boolean
  readonly external_gateway_info: { readonly enable_snat?: boolean } | null
  readonly routes?: readonly { readonly destination: string; readonly nexthop: string }[]
}

interface FloatingIpBody {
  readonly floating_ip_address: string
  readonly fixed_ip_address: string | null
  readonly port_id: string | null
  readonly router_id: string | null
  readonly port_details?: { readonly device_id: string; readonly device_owner: string } | null
}

export interface Routers {
  /** For each host with a guest on a router's network, all routers that it needs. */
  readonly byHost: ReadonlyMap<string, readonly RouterFacts[]>
  /** Those that lead to servers. */
  readonly floatingIps: readonly {
    readonly address: string
    readonly fixedAddress: string
    readonly portId: string
    readonly serverId: string
  }[]
}

type GuestPortBody = Pick<PortBody, 'id' | 'network_id' | 'device_owner' | 'binding:host_id'>
const GUEST_FIELDS = '&fields=id&fields=network_id&fields=device_owner&fields=binding:host_id'

const INTERFACE = 'network:router_interface'
const GATEWAY = 'network:router_gateway'
const COMPUTE_OWNER = 'compute:'

/** A router that is down is on no host. */
export async function readRouters(list: ReadList): Promise<Routers> {
  const all = await list<RouterBody>('routers', '')
  if (all.length === 0) return { byHost: new Map(), floatingIps: [] }
  const routers = all.filter((router) => router.admin_state_up !== false)
  const [ports, floating] = await Promise.all([
    inChunks<PortBody>(list, 'ports', 'device_owner', [INTERFACE, GATEWAY]),
    list<FloatingIpBody>('floatingips', ''),
  ])
  const networkIds = [...new Set(ports.map((port) => port.network_id))]
  const [networks, subnets, guests] = await Promise.all([
    inChunks<NetworkBody>(list, 'networks', 'id', networkIds),
    inChunks<SubnetBody>(list, 'subnets', 'network_id', networkIds),
    inChunks<GuestPortBody>(list, 'ports', 'network_id', networkIds, GUEST_FIELDS),
  ])
  const portsOf = Map.groupBy(ports.map(portOf), ({ deviceId }) => deviceId)
  const networkById = new Map(networks.map((body) => [body.id, networkOf(body)]))
  const subnetsOf = Map.groupBy(subnets, (body) => body.network_id)
  const routerPort = (port: Port): RouterPort => {
    const network = networkById.get(port.networkId)
    const addressed = new Set(port.fixedIps.map(({ subnetId }) => subnetId))
    const own = (subnetsOf.get(port.networkId) ?? []).filter(
      ({ id }) => port.deviceOwner === GATEWAY || addressed.has(id),
    )
    return {
      portId: port.id,
      networkId: port.networkId,
      mac: port.mac,
      mtu: network?.mtu ?? 1500,
      fixedIps: port.fixedIps,
      subnets: own.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map((subnet) => subnetOf(subnet, isRouted(network))),
    }
  }
  const bound = guests.flatMap(({ id, network_id: networkId, device_owner: owner, 'binding:host_id': host }) =>
    host && owner?.startsWith(COMPUTE_OWNER) ? [{ id, networkId, host }] : [],
  )
  const hostOf = new Map(bound.map(({ id, host }) => [id, host]))
  const floatingOf = Map.groupBy(floating, (body) => body.router_id)
  const byHost = new Map<string, RouterFacts[]>()
  for (const { id, external_gateway_info: gatewayInfo, routes = [] } of routers.toSorted((a, b) =>
    a.id < b.id ? -1 : 1,
  )) {
    const own = (portsOf.get(id) ?? []).toSorted((a, b) => (a.id < b.id ? -1 : 1))
    const interfaces = own.filter(({ deviceOwner }) => deviceOwner === INTERFACE)
    const gateway = own.find(({ deviceOwner }) => deviceOwner === GATEWAY)
    const inside = new Set(interfaces.map(({ networkId }) => networkId))
    const hosts = new Set(bound.filter(({ networkId }) => inside.has(networkId)).map(({ host }) => host))
    for (const host of hosts) {
      const leads = (floatingOf.get(id) ?? []).filter(
        ({ port_id: port }) => port !== null && (hostOf.get(port) ?? host) === host,
      )
      const facts: RouterFacts = {
        routerId: id,
        interfaces: interfaces.map(routerPort),
        gateway: gateway ? { ...routerPort(gateway), snat: gatewayInfo?.enable_snat ?? true } : null,
        routes: routes.map(({ destination, nexthop }) => ({ destination, nexthop })),
        floatingIps: leads
          .flatMap(({ floating_ip_address: address, fixed_ip_address: fixedAddress }) =>
            fixedAddress === null ? [] : [{ address, fixedAddress }],
          )
          .toSorted((a, b) => (a.address < b.address ? -1 : 1)),
      }
      byHost.set(host, [...(byHost.get(host) ?? []), facts])
    }
  }
  const floatingIps = floating.flatMap(({ floating_ip_address: address, fixed_ip_address: fixedAddress, ...lead }) =>
    fixedAddress !== null && lead.port_id !== null && lead.port_details?.device_owner.startsWith(COMPUTE_OWNER)
      ? [{ address, fixedAddress, portId: lead.port_id, serverId: lead.port_details.device_id }]
      : [],
  )
  return { byHost, floatingIps: floatingIps.toSorted((a, b) => (a.address < b.address ? -1 : 1)) }
}
