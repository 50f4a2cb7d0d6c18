/** What a network looks like on this host, worked out from the facts of the ports that are here. Pure. */
import { createHash } from 'node:crypto'
import type { PortFacts, RouterPort } from '../driver.ts'
import { isCidr, prefixLength, versionOf } from './address.ts'
import type { PluggedPort } from './store.ts'

export type Subnet = PortFacts['subnets'][number]

export interface Layout {
  readonly mtu: number
  /** Of the bridge; always the same, so that guests' neighbour tables stay true when the namespace is made again. */
  readonly mac: string
  readonly subnets: readonly Subnet[]
  /** Addresses of the bridge with their prefix lengths. */
  readonly addresses: readonly string[]
  /** Subnets in which the namespace has no address of its own: it talks to their guests from the metadata address. */
  readonly onLink: readonly string[]
  /** Subnets that the root namespace is given a route to. */
  readonly routed: readonly string[]
  /** Ids of the subnets of version 6 whose prefix the namespace tells the guests. */
  readonly announced: readonly string[]
}

export const METADATA_ADDRESS = '169.254.169.254'
/** Of whoever hands out addresses of version 6 in subnets where it has none: dnsmasq wants some address of a prefix no longer than theirs. */
const SERVER_ADDRESS6 = 'fd6b:696c:6f6e::1/64'

/** `routers`: what routers have in this network. */
export function layoutOf(networkId: string, ports: Iterable<PluggedPort>, routers: Iterable<RouterPort> = []): Layout {
  let mtu = 68
  const subnets = new Map<string, Subnet>()
  const held = new Set<string | null>()
  const add = (facts: Pick<PortFacts, 'mtu' | 'subnets'>) => {
    mtu = Math.max(mtu, facts.mtu)
    for (const subnet of facts.subnets) subnets.set(subnet.id, subnet)
  }
  for (const router of routers) {
    add(router)
    for (const { address } of router.fixedIps) held.add(address)
  }
  for (const { facts } of ports) add(facts)
  const known = [...subnets.values()].filter(({ cidr }) => isCidr(cidr)).toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const ordered = known.map((subnet) => (held.has(subnet.gateway) ? { ...subnet, routed: false } : subnet))
  // Routers carry version 4 alone, so that the gateway's address is free for who announces the prefix.
  const announced = known.filter(
    (subnet) =>
      versionOf(subnet.cidr) === 6 && subnet.raMode !== null && (ownsGateway(subnet) || held.has(subnet.gateway)),
  )
  const isForeign6 = (subnet: Subnet) => versionOf(subnet.cidr) === 6 && subnet.dhcp && !answersAsGateway(subnet)
  const answersAsGateway = (subnet: Subnet) => ownsGateway(subnet) || announced.some(({ id }) => id === subnet.id)
  return {
    mtu,
    mac: `02:${bytes(networkId, 5)}`,
    subnets: ordered,
    addresses: [
      `${METADATA_ADDRESS}/32`,
      ...ordered.flatMap((subnet) =>
        answersAsGateway(subnet) ? `${subnet.gateway}/${prefixLength(subnet.cidr)}` : [],
      ),
      ...(ordered.some(isForeign6) ? [SERVER_ADDRESS6] : []),
    ],
    onLink: ordered.filter((subnet) => !ownsGateway(subnet) && versionOf(subnet.cidr) === 4).map(({ cidr }) => cidr),
    routed: known.filter(ownsGateway).map(({ cidr }) => cidr),
    announced: announced.map(({ id }) => id),
  }
}

/** Here the namespace is the subnet's gateway; elsewhere a router is, somebody else, or nobody. */
export const ownsGateway = (subnet: Subnet): boolean => subnet.routed && subnet.gateway !== null

export const hasVersion6 = (layout: Layout): boolean => layout.subnets.some(({ cidr }) => versionOf(cidr) === 6)

const bytes = (id: string, count: number): string => {
  const hex = createHash('sha256').update(id).digest('hex')
  return Array.from({ length: count }, (_, index) => hex.slice(index * 2, index * 2 + 2)).join(':')
}
