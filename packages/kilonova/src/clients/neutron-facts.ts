/**
 * What a host must know of ports, put together from networks, subnets, groups and the members of remote groups. A boot's are kept a
 * moment, so that many in a row cost no more than their ports; those of ports that run are read anew, many in a handful of requests.
 */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Ipv6Mode, PortFacts, SecurityRule } from '../virt/driver.ts'
import { kept } from './kept.ts'
import {
  asPrefix,
  networkOf,
  type GroupBody,
  type NetworkBody,
  type PortBody,
  type SubnetBody,
} from './neutron-bodies.ts'
import type { Network, Port } from './neutron.ts'

type Subnet = PortFacts['subnets'][number]
type Rule = NonNullable<GroupBody['security_group_rules']>[number]

/** Where the parts come from; each is asked for by one id. */
export interface FactSources {
  network(id: string): Promise<Network | undefined>
  subnets(networkId: string): Promise<readonly SubnetBody[]>
  group(id: string): Promise<GroupBody | undefined>
  /** The addresses of a group's ports, each as a prefix. */
  members(group: string): Promise<readonly string[]>
}

/** Reads a list: `/v2.0/<collection>?<query>`. */
export type ReadList = <T>(collection: string, query: string) => Promise<readonly T[]>

/** An operator's word on a network: the hosts route it, so that it is reached from them. */
const ROUTED = 'kilonova:routed'
const KEPT_MS = 2_000
const MAX_KEPT = 2_000
/** Ids in one request: what a URL holds. */
const IDS_AT_ONCE = 150

/** Facts of ports, in their order; ports of the same groups share one list of rules. */
export async function portFacts(
  ports: readonly Port[],
  hostnameOf: (port: Port) => string,
  sources: FactSources,
): Promise<readonly PortFacts[]> {
  const shared = new Map<string, Promise<readonly SecurityRule[]>>()
  const rulesOf = (groups: readonly string[]) => {
    const key = groups.toSorted().join()
    const known = shared.get(key) ?? rulesOfGroups(groups, sources)
    shared.set(key, known)
    return known
  }
  return Promise.all(
    ports.map(async (port) => {
      const [network, subnets, rules] = await Promise.all([
        sources.network(port.networkId),
        sources.subnets(port.networkId),
        rulesOf(port.securityGroups),
      ])
      const addressed = new Set(port.fixedIps.map(({ subnetId }) => subnetId))
      const routed = isRouted(network)
      return {
        portId: port.id,
        networkId: port.networkId,
        networkName: network?.name ?? '',
        mac: port.mac,
        mtu: network?.mtu ?? 1500,
        projectId: port.projectId,
        vifType: port.vifType,
        fixedIps: port.fixedIps,
        subnets: subnets.filter(({ id }) => addressed.has(id)).map((subnet) => subnetOf(subnet, routed)),
        portSecurity: port.portSecurity,
        adminUp: port.adminUp && (network?.adminUp ?? true),
        allowedPairs: port.allowedPairs,
        rules,
        hostname: hostnameOf(port),
      }
    }),
  )
}

/** Reached from this host. Only an administrator shares a network or makes it external, so nobody else can open a way into the host. */
export const isRouted = (network: Network | undefined): boolean =>
  network !== undefined && (network.external || (network.shared && network.tags.includes(ROUTED)))

/** For boots: each thing is asked for once and kept. */
export function keptSources(list: ReadList, network: FactSources['network'], clock: Clock): FactSources {
  const subnets = kept<readonly SubnetBody[]>(clock, KEPT_MS, MAX_KEPT)
  const groups = kept<GroupBody | undefined>(clock, KEPT_MS, MAX_KEPT)
  const members = kept<readonly string[]>(clock, KEPT_MS, MAX_KEPT)
  return {
    network,
    subnets: (id) => subnets.get(id, () => list<SubnetBody>('subnets', `network_id=${id}`)),
    group: (id) => groups.get(id, async () => (await list<GroupBody>('security-groups', `id=${id}`))[0]),
    members: (id) => members.get(id, async () => (await membersOf(list, [id])).get(id) ?? []),
  }
}

/** For ports that run: everything these need, read now. */
export async function freshSources(list: ReadList, ports: readonly Port[]): Promise<FactSources> {
  const networkIds = distinct(ports.map(({ networkId }) => networkId))
  const [networks, subnets, groups] = await Promise.all([
    inChunks<NetworkBody>(list, 'networks', 'id', networkIds),
    inChunks<SubnetBody>(list, 'subnets', 'network_id', networkIds),
    inChunks<GroupBody>(list, 'security-groups', 'id', distinct(ports.flatMap((port) => port.securityGroups))),
  ])
  const remote = groups.flatMap((group) =>
    (group.security_group_rules ?? []).flatMap((rule) => rule.remote_group_id ?? []),
  )
  const members = await membersOf(list, distinct(remote))
  const networkById = new Map(networks.map((body) => [body.id, networkOf(body)]))
  const groupById = new Map(groups.map((body) => [body.id, body]))
  const subnetsByNetwork = Map.groupBy(subnets, (body) => body.network_id)
  return {
    network: async (id) => networkById.get(id),
    subnets: async (id) => subnetsByNetwork.get(id) ?? [],
    group: async (id) => groupById.get(id),
    members: async (id) => members.get(id) ?? [],
  }
}

/** A list of things chosen by many values of one field. */
export async function inChunks<T>(
  list: ReadList,
  collection: string,
  field: string,
  values: readonly string[],
  more = '',
): Promise<readonly T[]> {
  const chunks = Array.from({ length: Math.ceil(values.length / IDS_AT_ONCE) }, (_, index) =>
    values.slice(index * IDS_AT_ONCE, (index + 1) * IDS_AT_ONCE),
  )
  const query = (chunk: readonly string[]) =>
    chunk.map((value) => `${encodeURIComponent(field)}=${encodeURIComponent(value)}`).join('&')
  const lists = await Promise.all(chunks.map((chunk) => list<T>(collection, `${query(chunk)}${more}`)))
  return lists.flat()
}

const distinct = (ids: readonly string[]): readonly string[] => [...new Set(ids)]

/** The addresses of the groups' ports, those that their pairs allow too. */
async function membersOf(list: ReadList, groups: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const fields = ['fixed_ips', 'security_groups', 'allowed_address_pairs'].map((name) => `&fields=${name}`).join('')
  const ports = await inChunks<PortBody>(list, 'ports', 'security_groups', groups, fields)
  const members = new Map(groups.map((group) => [group, new Set<string>()]))
  for (const port of ports) {
    const addresses = [...(port.fixed_ips ?? []), ...(port.allowed_address_pairs ?? [])]
    // A service that cannot filter by group answers with all ports.
    for (const group of port.security_groups ?? [])
      for (const { ip_address: address } of addresses) members.get(group)?.add(asPrefix(address))
  }
  return new Map([...members].map(([group, addresses]) => [group, [...addresses].toSorted()]))
}

async function rulesOfGroups(ids: readonly string[], sources: FactSources): Promise<readonly SecurityRule[]> {
  const groups = await Promise.all(ids.map(sources.group))
  const rules = groups.flatMap((group) =>
    (group?.security_group_rules ?? []).map((rule) => ruleOf(rule, group?.stateful ?? true, sources)),
  )
  return Promise.all(rules)
}

async function ruleOf(body: Rule, stateful: boolean, sources: FactSources): Promise<SecurityRule> {
  const version = body.ethertype === 'IPv6' ? 6 : 4
  return {
    direction: body.direction,
    version,
    protocol: body.protocol,
    portMin: body.port_range_min,
    portMax: body.port_range_max,
    remotes: await peersOf(body, version, sources),
    stateful,
  }
}

async function peersOf(body: Rule, version: 4 | 6, sources: FactSources): Promise<readonly string[]> {
  if (body.remote_ip_prefix) return [body.remote_ip_prefix]
  // Groups of addresses are not read yet: nobody is in one.
  if (!body.remote_group_id && !body.remote_address_group_id) return []
  const members = body.remote_group_id ? await sources.members(body.remote_group_id) : []
  const fitting = members.filter((prefix) => prefix.includes(':') === (version === 6))
  // No member yet: nobody, which an empty list would not say.
  return fitting.length > 0 ? fitting : [version === 6 ? '::/128' : '0.0.0.0/32']
}

export const subnetOf = (body: SubnetBody, routed: boolean): Subnet => ({
  id: body.id,
  cidr: body.cidr,
  gateway: body.gateway_ip,
  dhcp: body.enable_dhcp,
  dnsServers: body.dns_nameservers ?? [],
  hostRoutes: (body.host_routes ?? []).map(({ destination, nexthop }) => ({ destination, nexthop })),
  routed,
  raMode: modeOf(body.ipv6_ra_mode),
  addressMode: modeOf(body.ipv6_address_mode),
})

const MODES: readonly Ipv6Mode[] = ['slaac', 'dhcpv6-stateful', 'dhcpv6-stateless']
const modeOf = (text: string | null | undefined): Ipv6Mode | null => MODES.find((mode) => mode === text) ?? null
