/** Security group rules in the packet filter's language. Pure; equal lists of rules become one chain that many ports share. */
import { createHash } from 'node:crypto'
import type { SecurityRule } from '../driver.ts'
import { isCidr, versionOf } from './address.ts'
import type { Chain } from './nft-text.ts'

/** Names that Neutron takes beside numbers. */
const PROTOCOL_NUMBER: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  ipip: 4,
  tcp: 6,
  egp: 8,
  udp: 17,
  dccp: 33,
  'ipv6-encap': 41,
  'ipv6-route': 43,
  'ipv6-frag': 44,
  rsvp: 46,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  icmp6: 58,
  'ipv6-icmp': 58,
  'ipv6-nonxt': 59,
  'ipv6-opts': 60,
  ospf: 89,
  vrrp: 112,
  pgm: 113,
  sctp: 132,
  udplite: 136,
}
const ICMP = 1
const ICMP6 = 58
const WITH_PORTS = new Set([6, 17, 33, 132, 136])

export interface PeerSet {
  readonly name: string
  readonly version: 4 | 6
  readonly elements: readonly string[]
}

export interface CompiledRules {
  readonly chain: Chain
  /** Its chain looks at every packet by itself and ends with `accept` or `drop`; otherwise at connections, and `return` is its yes. */
  readonly stateless: boolean
  readonly peers: readonly PeerSet[]
}

/**
 * One direction of a port's rules. What no rule lets through is dropped at the chain's end. Rules speak of a connection by what its
 * first packet was, so the same chain judges packets of both directions.
 */
export function compileRules(direction: SecurityRule['direction'], rules: readonly SecurityRule[]): CompiledRules {
  const peers = new Map<string, PeerSet>()
  const stateless = rules.some(({ stateful }) => !stateful)
  const statements = new Set<string>()
  for (const rule of rules) {
    if (rule.direction !== direction) continue
    const set = peerSet(rule)
    if (set === 'nobody') continue
    if (set) peers.set(set.name, set)
    const match = [family(rule), set && peer(rule, set, stateless), ...(stateless ? packets(rule) : connections(rule))]
    const statement = [...match, stateless ? 'accept' : 'return'].filter(Boolean).join(' ')
    statements.add(statement)
  }
  const body = [...(stateless ? [] : ['ct state invalid drop']), ...[...statements].toSorted(), 'drop']
  return {
    chain: { name: `${direction === 'ingress' ? 'in' : 'out'}-${digest(body)}`, statements: body },
    stateless,
    peers: [...peers.values()],
  }
}

const family = (rule: SecurityRule): string => `meta nfproto ipv${rule.version}`

const peer = (rule: SecurityRule, set: PeerSet, stateless: boolean): string =>
  `${stateless ? '' : 'ct original '}${rule.version === 4 ? 'ip' : 'ip6'} ${rule.direction === 'ingress' ? 'saddr' : 'daddr'} @${set.name}`

/** Undefined: any peer. Peers of the other version alone: nobody. */
function peerSet(rule: SecurityRule): PeerSet | 'nobody' | undefined {
  if (rule.remotes.length === 0) return undefined
  const elements = [...new Set(rule.remotes.filter((each) => versionOf(each) === rule.version))].toSorted()
  if (elements.length === 0) return 'nobody'
  if (elements.some((each) => each.endsWith('/0'))) return undefined
  return { name: `peers-${digest(elements)}`, version: rule.version, elements }
}

/** As the connection's first packet had it: its port, or of ICMP type and code, which are one number there. */
function connections(rule: SecurityRule): string[] {
  const protocol = numberOf(rule)
  if (protocol === undefined) return []
  const match = `meta l4proto ${protocol}`
  const [from, to] = isIcmp(protocol) ? icmpRange(rule) : portRange(rule, protocol)
  if (from === undefined || to === undefined) return [match]
  return [match, `ct original proto-dst ${from === to ? from : `${from}-${to}`}`]
}

const isIcmp = (protocol: number): boolean => protocol === ICMP || protocol === ICMP6

const icmpRange = ({ portMin: type, portMax: code }: SecurityRule): number[] =>
  type === null ? [] : [type * 256 + (code ?? 0), type * 256 + (code ?? 255)]

function portRange({ portMin, portMax }: SecurityRule, protocol: number): number[] {
  if (!WITH_PORTS.has(protocol) || (portMin === null && portMax === null)) return []
  const from = portMin ?? portMax ?? 0
  return [from, portMax ?? from]
}

function packets(rule: SecurityRule): string[] {
  const protocol = numberOf(rule)
  if (protocol === undefined) return []
  const match = `meta l4proto ${protocol}`
  const { portMin, portMax } = rule
  // For ICMP Neutron keeps the type in the lower port and the code in the upper one.
  if (isIcmp(protocol)) {
    const name = protocol === ICMP ? 'icmp' : 'icmpv6'
    if (portMin === null) return [match]
    return [`${name} type ${portMin}`, ...(portMax === null ? [] : [`${name} code ${portMax}`])]
  }
  const [from, to] = portRange(rule, protocol)
  if (from === undefined || to === undefined) return [match]
  return [match, from === to ? `th dport ${from}` : `th dport ${from}-${to}`]
}

function numberOf(rule: SecurityRule): number | undefined {
  if (rule.protocol === null || rule.protocol === 'any') return undefined
  const number = /^\d{1,3}$/.test(rule.protocol) ? Number(rule.protocol) : PROTOCOL_NUMBER[rule.protocol]
  return number === ICMP && rule.version === 6 ? ICMP6 : number
}

/** Why a rule cannot be enforced, if it cannot: nothing unchecked is ever written into the packet filter. */
export function ruleFlaw(rule: SecurityRule): string | undefined {
  const protocol = rule.protocol === null || rule.protocol === 'any' ? 0 : numberOf(rule)
  if (protocol === undefined || protocol > 255) return `unknown protocol ${rule.protocol}`
  for (const port of [rule.portMin, rule.portMax]) {
    if (port !== null && (!Number.isInteger(port) || port < 0 || port > 65_535)) return `port ${port} is out of range`
  }
  if ((protocol === ICMP || protocol === ICMP6) && Math.max(rule.portMin ?? 0, rule.portMax ?? 0) > 255)
    return 'ICMP type or code out of range'
  if (
    rule.portMin !== null &&
    rule.portMax !== null &&
    ![ICMP, ICMP6].includes(protocol) &&
    rule.portMin > rule.portMax
  ) {
    return `ports ${rule.portMin} to ${rule.portMax} are in the wrong order`
  }
  const stray = rule.remotes.find((remote) => !isCidr(remote) && !isCidr(`${remote}/0`))
  return stray === undefined ? undefined : `"${stray}" is not an address or prefix`
}

const digest = (parts: readonly string[]): string =>
  createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 12)
