/** Which subnets make sense: blocks, gateways, pools, servers and routes. Pure. Upstream: Neutron's checks of the same. */
import { formatAddress, formatCidr, inside, parseAddress, parseCidr, type Address, type Cidr } from '../address.ts'
import {
  gatewayInPool,
  invalid,
  poolOutside,
  poolsOverlap,
  poolWrong,
  tooManyHostRoutes,
  tooManyServers,
} from '../errors.ts'
import type { HostRoutes, Ipv6Mode, Pools } from './subnet-fields.ts'

const MAX_SERVERS = 5
const MAX_HOST_ROUTES = 20
const MULTICAST = { 4: parseCidr('224.0.0.0/4'), 6: parseCidr('ff00::/8') }
const LOOPBACK = { 4: parseCidr('127.0.0.0/8'), 6: parseCidr('::1/128') }

/** Longest prefix whose first and last address are not a host's. */
const isTiny = ({ version, prefix }: Cidr): boolean => prefix >= (version === 4 ? 31 : 127)

/** Errors: 400. */
export function blockOf(text: string, version: 4 | 6, dhcp: boolean): Cidr {
  const cidr = parseCidr(text)
  if (!cidr || cidr.version !== version) throw invalid(`'${text}' is not a valid IPv${version} cidr`)
  const first: Address = { version, value: cidr.first }
  if (version === 6 && cidr.first === 0n) throw invalid("IPv6 subnet '::' is not supported")
  if (!dhcp) return cidr
  if (isTiny(cidr)) throw invalid('Subnet has a prefix length that is incompatible with DHCP service enabled')
  for (const [kind, block] of [
    ['Multicast', MULTICAST[version]],
    ['Loopback', LOOPBACK[version]],
  ] as const)
    // prettier-ignore
    if (block && inside(block, first)) throw invalid(`${kind} IP subnet is not supported if enable_dhcp is True`)
  if (version === 4 && cidr.first === 0n)
    throw invalid("First IP '0.0.0.0' of network is not supported if enable_dhcp is True")
  return cidr
}

/** How IPv6 guests get their addresses. Errors: 400 for modes that contradict each other, DHCP, or the block. */
export function mustSuit(cidr: Cidr, dhcp: boolean, ra: Ipv6Mode, addressMode: Ipv6Mode): void {
  if (!ra && !addressMode) return
  if (cidr.version === 4) throw invalid('ipv6_ra_mode and ipv6_address_mode are not valid when ip_version is 4')
  if (!dhcp) throw invalid('ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False')
  if (ra && addressMode && ra !== addressMode)
    throw invalid(`ipv6_ra_mode set to '${ra}' with ipv6_address_mode set to '${addressMode}' is not valid`)
  if ((addressMode ?? ra) !== 'dhcpv6-stateful' && cidr.prefix !== 64)
    throw invalid('a subnet whose guests make their own addresses must have the prefix length 64')
}

/** Canonical text of the gateway: the block's first address unless the caller says another one, or none by null. Errors: 400. */
export function gatewayOf(wanted: string | null | undefined, cidr: Cidr): string | null {
  const { version, first, last } = cidr
  if (wanted === null) return null
  if (wanted === undefined) return formatAddress({ version, value: isTiny(cidr) ? first : first + 1n })
  const gateway = parseAddress(wanted)
  if (!gateway || gateway.version !== version) throw invalid(`gateway_ip '${wanted}' is not of IP version ${version}`)
  if (!isTiny(cidr) && (gateway.value === first || (version === 4 && gateway.value === last)))
    throw invalid('Gateway is not valid on subnet')
  return formatAddress(gateway)
}

/** All of the block but its ends and the gateway. */
export function defaultPools(cidr: Cidr, gateway: string | null): Pools {
  const { version, first, last } = cidr
  const [from, to] = isTiny(cidr) ? [first, last] : [first + 1n, version === 4 ? last - 1n : last]
  const hole = gateway === null ? undefined : parseAddress(gateway)?.value
  const ranges =
    hole === undefined || hole < from || hole > to
      ? [[from, to] as const]
      : [[from, hole - 1n] as const, [hole + 1n, to] as const]
  return ranges
    .filter(([start, end]) => start <= end)
    .map(([start, end]) => ({
      start: formatAddress({ version, value: start }),
      end: formatAddress({ version, value: end }),
    }))
}

/** Canonical pools. Errors: 400 outside the block, 409 overlapping or over the gateway. */
export function checkedPools(wanted: Pools, cidr: Cidr, gateway: string | null): Pools {
  const ranges = wanted.map(({ start, end }) => {
    const [first, last] = [parseAddress(start), parseAddress(end)]
    if (!first || !last || first.version !== last.version || first.value > last.value)
      throw poolWrong(`${start}-${end}`)
    if (!inside(cidr, first) || !inside(cidr, last)) throw poolOutside(`${start}-${end}`, formatCidr(cidr))
    return { first: first.value, last: last.value, start: formatAddress(first), end: formatAddress(last) }
  })
  const hole = gateway === null ? undefined : parseAddress(gateway)?.value
  for (const [index, range] of ranges.entries()) {
    const other = ranges.slice(index + 1).find(({ first, last }) => first <= range.last && last >= range.first)
    if (other) throw poolsOverlap(`${range.start}-${range.end}`, `${other.start}-${other.end}`, formatCidr(cidr))
    if (hole !== undefined && hole >= range.first && hole <= range.last)
      throw gatewayInPool(gateway ?? '', `${range.start}-${range.end}`)
  }
  return ranges.map(({ start, end }) => ({ start, end }))
}

/** Canonical addresses of name servers, as JSON. Errors: 400. */
export function serversOf(wanted: readonly string[], version: 4 | 6): string {
  if (wanted.length > MAX_SERVERS) throw tooManyServers(MAX_SERVERS)
  const servers = wanted.map((text) => {
    const server = parseAddress(text)
    if (!server || server.version !== version) throw invalid(`dns_nameserver '${text}' is not of IP version ${version}`)
    return formatAddress(server)
  })
  if (new Set(servers).size < servers.length) throw invalid('dns_nameservers are named twice')
  return JSON.stringify(servers)
}

/** Canonical routes that DHCP tells, as JSON. Errors: 400. */
export function hostRoutesOf(wanted: HostRoutes, version: 4 | 6): string {
  if (wanted.length > MAX_HOST_ROUTES) throw tooManyHostRoutes(MAX_HOST_ROUTES)
  const routes = wanted.map(({ destination, nexthop }) => {
    const [block, hop] = [parseCidr(destination), parseAddress(nexthop)]
    if (!block || !hop || block.version !== version || hop.version !== version)
      throw invalid(`the host route to '${destination}' by '${nexthop}' is not of IP version ${version}`)
    return { destination: formatCidr(block), nexthop: formatAddress(hop) }
  })
  if (new Set(routes.map((route) => JSON.stringify(route))).size < routes.length)
    throw invalid('host_routes are named twice')
  return JSON.stringify(routes)
}
