/** What a host must know of ports, put together from networks, subnets and rules: each is asked for once and kept a moment, so that a boot costs no more than its port. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { PortFacts, SecurityRule } from '../virt/driver.ts'
import type { Service } from './as-us.ts'
import { kept } from './kept.ts'
import type { Network, Port } from './neutron.ts'
import { refused } from './service.ts'

type Subnet = PortFacts['subnets'][number]

interface SubnetBody {
  readonly id: string
  readonly cidr: string
  readonly gateway_ip: string | null
  readonly enable_dhcp: boolean
  readonly dns_nameservers?: readonly string[]
  readonly ipv6_address_mode?: string | null
  readonly host_routes?: readonly { readonly destination: string; readonly nexthop: string }[]
  readonly tags?: readonly string[]
}
interface RuleBody {
  readonly security_group_id: string
  readonly direction: 'ingress' | 'egress'
  readonly ethertype: 'IPv4' | 'IPv6'
  readonly protocol: string | null
  readonly port_range_min: number | null
  readonly port_range_max: number | null
  readonly remote_ip_prefix: string | null
  readonly remote_group_id: string | null
}

/** An operator's word on a subnet (or its network): the hosts route it, so that it is reached from them. */
const ROUTED = 'kilonova:routed'
const KEPT_MS = 2_000
const MAX_KEPT = 2_000
const NETWORK = 'network'

export interface FactsReader {
  read(ports: readonly Port[], hostname: string): Promise<readonly PortFacts[]>
}

export function factsReader(
  service: Service,
  clock: Clock,
  network: (id: string) => Promise<Network | undefined>,
): FactsReader {
  const subnets = kept<readonly SubnetBody[]>(clock, KEPT_MS, MAX_KEPT)
  const rules = kept<readonly RuleBody[]>(clock, KEPT_MS, MAX_KEPT)
  const members = kept<readonly string[]>(clock, KEPT_MS, MAX_KEPT)

  async function list<T>(collection: string, query: string): Promise<readonly T[]> {
    const answer = await service.request('GET', `/v2.0/${collection}?${query}`)
    if (answer.status !== 200) throw refused(NETWORK, answer)
    return (answer.body as Record<string, readonly T[]>)[collection.replaceAll('-', '_')] ?? []
  }
  const subnetsOf = (networkId: string) =>
    subnets.get(networkId, () => list<SubnetBody>('subnets', `network_id=${networkId}`))
  const rulesOf = (group: string) =>
    rules.get(group, () => list<RuleBody>('security-group-rules', `security_group_id=${group}`))
  /** The addresses of a remote group's ports, each as a prefix. */
  const membersOf = (group: string) =>
    members.get(group, async () => {
      const ports = await list<{ fixed_ips?: readonly { ip_address: string }[]; security_groups?: readonly string[] }>(
        'ports',
        `security_groups=${group}&fields=fixed_ips&fields=security_groups`,
      )
      return ports
        .filter(({ security_groups: groups }) => groups === undefined || groups.includes(group))
        .flatMap(({ fixed_ips: ips = [] }) =>
          ips.map(({ ip_address: address }) => `${address}/${address.includes(':') ? 128 : 32}`),
        )
    })

  async function rule(body: RuleBody): Promise<SecurityRule> {
    const version = body.ethertype === 'IPv6' ? 6 : 4
    const remotes = body.remote_ip_prefix
      ? [body.remote_ip_prefix]
      : body.remote_group_id
        ? await membersOf(body.remote_group_id)
        : []
    const fitting = remotes.filter((prefix) => prefix.includes(':') === (version === 6))
    // No member yet: nobody, which an empty list would not say.
    const peers =
      body.remote_group_id && !body.remote_ip_prefix && fitting.length === 0
        ? [version === 6 ? '::/128' : '0.0.0.0/32']
        : fitting
    return {
      direction: body.direction,
      version,
      protocol: body.protocol,
      portMin: body.port_range_min,
      portMax: body.port_range_max,
      remotes: peers,
    }
  }

  async function read(port: Port, hostname: string): Promise<PortFacts> {
    const [found, ofNetwork, groups] = await Promise.all([
      network(port.networkId),
      subnetsOf(port.networkId),
      Promise.all(port.securityGroups.map(rulesOf)),
    ])
    const addressed = new Set(port.fixedIps.map(({ subnetId }) => subnetId))
    // Only an administrator shares a network, so nobody else can open a way into the host.
    const routed = found?.shared === true && found.tags.includes(ROUTED)
    return {
      portId: port.id,
      networkId: port.networkId,
      networkName: found?.name ?? '',
      mac: port.mac,
      mtu: found?.mtu ?? 1500,
      projectId: port.projectId,
      vifType: port.vifType,
      fixedIps: port.fixedIps,
      subnets: ofNetwork.filter(({ id }) => addressed.has(id)).map((subnet) => subnetOf(subnet, routed)),
      portSecurity: port.portSecurity,
      rules: await Promise.all(groups.flat().map(rule)),
      hostname,
    }
  }
  return { read: (ports, hostname) => Promise.all(ports.map((port) => read(port, hostname))) }
}

const subnetOf = (body: SubnetBody, routed: boolean): Subnet => ({
  id: body.id,
  cidr: body.cidr,
  gateway: body.gateway_ip,
  dhcp: body.enable_dhcp,
  dnsServers: body.dns_nameservers ?? [],
  hostRoutes: (body.host_routes ?? []).map(({ destination, nexthop }) => ({ destination, nexthop })),
  ...(body.ipv6_address_mode ? { ipv6AddressMode: body.ipv6_address_mode } : {}),
  routed,
})
