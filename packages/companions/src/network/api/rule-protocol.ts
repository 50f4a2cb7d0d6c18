/** IP protocols of security group rules: Neutron's names, and what ports mean for each. */
import { invalid } from '../errors.ts'

/** Name -> number. */
const NUMBERS: Readonly<Record<string, number>> = {
  hopopt: 0, ip: 0, icmp: 1, igmp: 2, ipip: 4, tcp: 6, egp: 8, udp: 17, dccp: 33, 'ipv6-encap': 41, 'ipv6-route': 43,
  'ipv6-frag': 44, rsvp: 46, gre: 47, esp: 50, ah: 51, icmpv6: 58, 'ipv6-icmp': 58, 'ipv6-nonxt': 59, 'ipv6-opts': 60,
  ospf: 89, vrrp: 112, pgm: 113, sctp: 132, udplite: 136,
} // prettier-ignore
const [ICMP, ICMP6] = [1, 58]
const WITH_PORTS = new Set([6, 17, 33, 132, 136])
const IPV6_ONLY = new Set([41, 43, 44, 58, 59, 60])
const MAX_PORT = 65_535

export const protocolNumber = (protocol: string): number =>
  /^\d+$/.test(protocol) ? Number(protocol) : (NUMBERS[protocol] ?? -1)

/** As it is kept: what was given, in lower case; ICMP in IPv6 under its own name. Errors: 400. */
export function protocolOf(given: string | number | null | undefined, ethertype: 'IPv4' | 'IPv6'): string | null {
  const name = String(given ?? 'any').toLowerCase()
  if (name === 'any') return null
  if (!(/^\d{1,3}$/.test(name) && Number(name) <= 255) && !Object.hasOwn(NUMBERS, name))
    throw invalid(
      `Security group rule protocol ${name} not supported. Only the names ${Object.keys(NUMBERS).join(', ')} and numbers from 0 to 255 are`,
    )
  if (ethertype === 'IPv4') {
    if (IPV6_ONLY.has(protocolNumber(name))) throw invalid(`Invalid ethertype IPv4 for protocol ${name}`)
    return name
  }
  if (name === 'icmp' || name === 'icmpv6') return 'ipv6-icmp'
  return name === String(ICMP) ? String(ICMP6) : name
}

export interface PortRange {
  readonly port_range_min: number | null
  readonly port_range_max: number | null
}

/** Ports from and to, or ICMP type and code; all ports are none. Errors: 400. */
export function rangeOf(
  protocol: string | null,
  { port_range_min: min = null, port_range_max: max = null }: Partial<PortRange>,
): PortRange {
  const range = { port_range_min: min, port_range_max: max }
  if (min === null && max === null) return range
  if (protocol === null) throw invalid('Must also specify protocol if port range is given')
  const number = protocolNumber(protocol)
  if (WITH_PORTS.has(number)) {
    if (min === 0 || max === 0) throw invalid('Invalid value for port 0')
    if (min === null || max === null || min > max)
      throw invalid('For TCP/UDP protocols, port_range_min must be <= port_range_max')
    return min === 1 && max === MAX_PORT ? { port_range_min: null, port_range_max: null } : range
  }
  if (number !== ICMP && number !== ICMP6)
    throw invalid(`Ports cannot be specified for protocol ${protocol}: only TCP, UDP, SCTP, DCCP and UDPLITE have them`)
  for (const [field, value] of [
    ['type', min],
    ['code', max],
  ] as const)
    // prettier-ignore
    if (value !== null && value > 255) throw invalid(`Invalid value for ICMP ${field} ${value}. It must be 0 to 255`)
  if (min === null)
    throw invalid(`ICMP code (port-range-max) ${max} is provided but ICMP type (port-range-min) is missing`)
  return range
}
