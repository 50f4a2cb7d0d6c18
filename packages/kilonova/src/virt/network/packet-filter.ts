/**
 * The packet filter of one network as text for `nft -f -`: it replaces the whole of the former one in one transaction. Pure.
 *
 *   guest ─ tap ─ wire ─▶ guard/prerouting ─▶ groups/prerouting ─┬─▶ guard/forward ─▶ groups/forward ─▶ another port
 *                         may it say so?      may it send this?  └─▶ gateway, DHCP, metadata ─▶ routed traffic
 *
 * `guard` (bridge) sees ports: it drops what a port may not claim to be, and marks frames with the port they came from and, on
 * their way out, the port they go to. A port that it was not told of, or that is down, is dead. `groups` (inet, called by br_netfilter
 * for bridged frames) knows connections: it looks the marks up. Per packet the cost is a few look-ups, however many ports there are.
 *
 * A connection that passed all rules carries their number (a hash of all of them) as its mark, and passes by that alone. With other rules
 * the number is another one, and each connection is judged anew, by its next packet in either direction: so a connection ends with the
 * rule that allowed it, and nobody needs to look for it.
 */
import { createHash } from 'node:crypto'
import { isWithin, leadingHex, linkLocal, networkAddress, prefixLength, versionOf } from './address.ts'
import { run } from './command.ts'
import { METADATA_ADDRESS } from './layout.ts'
import { BRIDGE, innerLink } from './names.ts'
import { chain, named } from './nft-text.ts'
import { type CompiledRules, compileRules } from './security-rules.ts'
import type { PluggedPort } from './store.ts'

/**
 * Marks of destinations, so that one number is never taken for a source; of a destination that nobody guards, and of a
 * router: what it sends on may come back into this network, so that it has not passed all rules yet.
 */
const TO = 0x10000
const TO_OPEN = 0x20000
const TO_ROUTER = 0x30000

/** `routers`: links to routers of ours, which may speak for any address. */
export function packetFilter(ports: Iterable<PluggedPort>, routers: readonly string[] = []): string {
  const up = [...ports].filter(({ facts }) => facts.adminUp).toSorted((a, b) => a.number - b.number)
  const secured = up.filter(({ facts }) => facts.portSecurity)
  const open = up.filter(({ facts }) => !facts.portSecurity)
  return `${guard(secured.map(guarded), open, routers)}${groups(secured, open)}`
}

export async function applyPacketFilter(
  namespace: string,
  ports: Iterable<PluggedPort>,
  routers: readonly string[],
): Promise<void> {
  await run('nsenter', [`--net=/run/netns/${namespace}`, 'nft', '-f', '-'], {
    input: packetFilter(ports, routers),
    timeoutMs: 30_000,
  })
}

interface Claim {
  readonly mac: string
  readonly cidr: string
}

interface Guarded {
  readonly number: number
  /** Quoted. */
  readonly link: string
  readonly macs: readonly string[]
  /** Single addresses, looked up at once. */
  readonly single: readonly Claim[]
  /** Wider prefixes, each a rule of the port's own. */
  readonly wide: readonly Claim[]
}

function guarded({ number, facts }: PluggedPort): Guarded {
  const macs = [...new Set([facts.mac.toLowerCase(), ...facts.allowedPairs.map(({ mac }) => mac)])]
  const pairs = facts.allowedPairs.filter(
    (pair, index, all) =>
      !all.some(
        (other, place) =>
          place !== index &&
          other.mac === pair.mac &&
          versionOf(other.cidr) === versionOf(pair.cidr) &&
          isWithin(pair.cidr, other.cidr) &&
          (other.cidr !== pair.cidr || place < index),
      ),
  )
  const own = [
    ...facts.fixedIps.map(({ address }) => ({ mac: facts.mac.toLowerCase(), cidr: hostPrefix(address) })),
    ...macs.map((mac) => ({ mac, cidr: hostPrefix(linkLocal(mac)) })),
  ]
  return {
    number,
    link: quoted(facts.portId),
    macs,
    single: [...own, ...pairs.filter(isSingle)],
    wide: pairs.filter((pair) => !isSingle(pair)),
  }
}

const quoted = (portId: string): string => `"${innerLink(portId)}"`
const hostPrefix = (address: string): string => `${address}/${versionOf(address) === 4 ? 32 : 128}`
const isSingle = ({ cidr }: Claim): boolean => hostPrefix(networkAddress(cidr)) === cidr

function guard(ports: readonly Guarded[], open: readonly PluggedPort[], routers: readonly string[]): string {
  const singles = (version: 4 | 6, text: (link: string, claim: Claim) => string) =>
    distinct(
      ports.flatMap(({ link, single }) =>
        single.filter(({ cidr }) => versionOf(cidr) === version).map((claim) => text(link, claim)),
      ),
    )
  const address = (link: string, { mac, cidr }: Claim) => `${link} . ${mac} . ${networkAddress(cidr)}`
  const wide = ports.filter((port) => port.wide.length > 0)
  return `table bridge guard
delete table bridge guard
table bridge guard {
${named(
  'set open',
  'type ifname',
  open.map(({ facts }) => quoted(facts.portId)),
)}
${named(
  'set routers',
  'type ifname',
  routers.map((link) => `"${link}"`),
)}
${named(
  'set secured',
  'type ifname',
  ports.map(({ link }) => link),
)}
${named(
  'set cards',
  'type ifname . ether_addr',
  ports.flatMap(({ link, macs }) => macs.map((mac) => `${link} . ${mac}`)),
)}
${named('set addresses4', 'type ifname . ether_addr . ipv4_addr', singles(4, address))}
${named('set addresses6', 'type ifname . ether_addr . ipv6_addr', singles(6, address))}
${named(
  'set neighbors',
  'typeof iifname . @th,64,128',
  singles(6, (link, { cidr }) => `${link} . ${leadingHex(networkAddress(cidr), 128)}`),
)}
${named(
  'map sources',
  'type ifname : mark',
  ports.map(({ link, number }) => `${link} : ${number}`),
)}
${named(
  'map destinations',
  'type ifname : mark',
  ports.map(({ link, number }) => `${link} : ${TO + number}`),
)}
${wide.map(wideChains).join('')}${named(
    'map wide_addresses',
    'type ifname : verdict',
    wide.map(({ link, number }) => `${link} : jump addresses-${number}`),
  )}
${named(
  'map wide_neighbors',
  'type ifname : verdict',
  wide.map(({ link, number }) => `${link} : goto neighbors-${number}`),
)}
  chain says_arp {
    arp htype != 1 drop
    arp ptype != ip drop
    iifname . arp saddr ether . arp saddr ip @addresses4 accept
    iifname . arp saddr ether @cards arp saddr ip 0.0.0.0 accept
    iifname vmap @wide_addresses
    drop
  }
  chain says_ip4 {
    udp sport 67 drop
    ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
    iifname . ether saddr . ip saddr @addresses4 accept
    iifname vmap @wide_addresses
    drop
  }
  chain says_neighbor {
    iifname . @th,64,128 @neighbors return
    iifname vmap @wide_neighbors
    drop
  }
  chain says_ip6 {
    icmpv6 type { nd-router-advert, nd-redirect } drop
    udp sport 547 drop
    icmpv6 type nd-neighbor-advert jump says_neighbor
    iifname . ether saddr . ip6 saddr @addresses6 accept
    ip6 saddr :: icmpv6 type { nd-neighbor-solicit, mld2-listener-report } accept
    iifname vmap @wide_addresses
    drop
  }
  chain says_routed {
    udp sport { 67, 547 } drop
    icmpv6 type { nd-router-advert, nd-redirect } drop
    accept
  }
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    iifname @open accept
    iifname @routers goto says_routed
    iifname != @secured drop
    iifname . ether saddr != @cards drop
    meta mark set iifname map @sources
    ether type vmap { arp : jump says_arp, ip : jump says_ip4, ip6 : jump says_ip6 }
    drop
  }
  chain forward {
    type filter hook forward priority -200; policy accept;
    oifname @open meta mark set ${TO_OPEN} accept
    oifname @routers meta mark set ${TO_ROUTER} accept
    oifname != @secured drop
    ether type != { arp, ip, ip6 } drop
    ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 oifname . ether daddr != @cards drop
    meta mark set oifname map @destinations
  }
  chain output {
    type filter hook output priority -200; policy accept;
    oifname @open accept
    oifname @routers accept
    oifname != @secured drop
  }
}
`
}

function wideChains({ number, wide }: Guarded): string {
  const claims = wide.flatMap(({ mac, cidr }) =>
    versionOf(cidr) === 4
      ? [`ether saddr ${mac} ip saddr ${cidr} accept`, `arp saddr ether ${mac} arp saddr ip ${cidr} accept`]
      : [`ether saddr ${mac} ip6 saddr ${cidr} accept`],
  )
  const neighbors = wide
    .filter(({ cidr }) => versionOf(cidr) === 6)
    .map(({ cidr }) => {
      const bits = prefixLength(cidr)
      return bits === 0 ? 'return' : `@th,64,${bits} ${leadingHex(networkAddress(cidr), bits)} return`
    })
  return `${chain({ name: `addresses-${number}`, statements: claims })}${chain({ name: `neighbors-${number}`, statements: [...neighbors, 'drop'] })}`
}

interface Judged {
  readonly port: PluggedPort
  readonly out: CompiledRules
  readonly in: CompiledRules
}

/** Of a port's two chains, the one for packets of connections that others began. */
type Way = 'in' | 'out'

function groups(ports: readonly PluggedPort[], open: readonly PluggedPort[]): string {
  const known = new Map<PluggedPort['facts']['rules'], Omit<Judged, 'port'>>()
  const byText = new Map<string, Omit<Judged, 'port'>>()
  const judge = (rules: PluggedPort['facts']['rules']) => {
    const text = JSON.stringify(rules)
    const found = byText.get(text) ?? { in: compileRules('ingress', rules), out: compileRules('egress', rules) }
    byText.set(text, found)
    return found
  }
  const all = ports.map((port): Judged => {
    const { rules } = port.facts
    const judged = known.get(rules) ?? judge(rules)
    known.set(rules, judged)
    return { port, ...judged }
  })
  const stateful = all.filter(({ out }) => !out.stateless)
  const stateless = all.filter(({ out }) => out.stateless)
  const pairs = pairsOf(all)
  const compiled = [...byText.values(), ...pairs].flatMap((rules) => [rules.out, rules.in])
  const marks = (some: readonly Judged[], from: number, way: Way) =>
    some.map((judged) => `${from + judged.port.number} : goto ${judged[way].chain.name}`)
  const fixedIps = ({ facts }: PluggedPort, version: 4 | 6) =>
    facts.fixedIps.map(({ address }) => address).filter((address) => versionOf(address) === version)
  const addresses = (some: readonly Judged[], version: 4 | 6, way: Way) =>
    some.flatMap((judged) =>
      fixedIps(judged.port, version).map((address) => `${address} : goto ${judged[way].chain.name}`),
    )
  const routed = (version: 4 | 6, way: Way) => [
    ...addresses(stateful, version, way),
    ...open.flatMap((port) => fixedIps(port, version).map((address) => `${address} : return`)),
  ]
  const routedPairs = (way: Way) =>
    pairs.map((pair) => `${versionOf(pair.cidr) === 4 ? 'ip' : 'ip6'} daddr ${pair.cidr} goto ${pair[way].chain.name}`)
  const body = `${peerSets(compiled)}${[...new Map(compiled.map(({ chain: each }) => [each.name, each])).values()].map(chain).join('')}
${named('map leaving', 'type mark : verdict', marks(stateful, 0, 'out'))}
${named('map leaving_answers', 'type mark : verdict', marks(stateful, 0, 'in'))}
${named('map arriving', 'type mark : verdict', marks(stateful, TO, 'in'))}
${named('map arriving_answers', 'type mark : verdict', marks(stateful, TO, 'out'))}
${named('map arriving4', 'type ipv4_addr : verdict', routed(4, 'in'))}
${named('map arriving6', 'type ipv6_addr : verdict', routed(6, 'in'))}
${named('map arriving_answers4', 'type ipv4_addr : verdict', routed(4, 'out'))}
${named('map arriving_answers6', 'type ipv6_addr : verdict', routed(6, 'out'))}
${named('map stateless_leaving', 'type mark : verdict', marks(stateless, 0, 'out'))}
${named('map stateless_arriving', 'type mark : verdict', marks(stateless, TO, 'in'))}
${named('map stateless_arriving4', 'type ipv4_addr : verdict', addresses(stateless, 4, 'in'))}
${named('map stateless_arriving6', 'type ipv6_addr : verdict', addresses(stateless, 6, 'in'))}
${chain({ name: 'pairs', statements: routedPairs('in') })}${chain({ name: 'pairs_answers', statements: routedPairs('out') })}`
  const passed = `0x${createHash('sha256').update(body).digest('hex').slice(0, 7)}1`
  return `table inet groups
delete table inet groups
table inet groups {
${body}  chain always {
    ip daddr ${METADATA_ADDRESS} tcp dport 80 accept
    udp sport 68 udp dport 67 accept
    udp sport 546 udp dport 547 accept
    icmpv6 type { mld-listener-report, nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept
  }
  chain never {
    icmpv6 type { nd-router-advert, nd-redirect } drop
    udp sport { 67, 547 } drop
  }
  chain leaves {
    ct direction reply meta mark vmap @leaving_answers
    meta mark vmap @leaving
  }
  chain arrives {
    ct direction reply goto arrives_answer
    meta mark vmap @arriving
    oifname ${BRIDGE} meta mark < ${TO} goto arrives_routed
  }
  chain arrives_routed {
    ip daddr vmap @arriving4
    ip6 daddr vmap @arriving6
    jump pairs
  }
  chain arrives_answer {
    meta mark vmap @arriving_answers
    oifname ${BRIDGE} meta mark < ${TO} goto arrives_answer_routed
  }
  chain arrives_answer_routed {
    ip daddr vmap @arriving_answers4
    ip6 daddr vmap @arriving_answers6
    jump pairs_answers
  }
  chain prerouting {
    type filter hook prerouting priority 0; policy accept;
    meta mark 1-${TO - 1} jump never
    jump always
    meta mark vmap @stateless_leaving
    ct mark ${passed} accept
    ct state related accept
    jump leaves
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    icmpv6 type { mld-listener-query, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
    meta mark ${TO_ROUTER} accept
    meta mark vmap @stateless_arriving
    oifname ${BRIDGE} meta mark < ${TO} ip daddr vmap @stateless_arriving4
    oifname ${BRIDGE} meta mark < ${TO} ip6 daddr vmap @stateless_arriving6
    meta pkttype { broadcast, multicast } goto arrives
    ct mark ${passed} accept
    ct state related accept
    jump arrives
    ct mark set ${passed}
  }
}
`
}

interface Pair extends Omit<Judged, 'port'> {
  readonly cidr: string
}

/** Routed packets to an address that several ports share go where one of them lets them; the narrowest prefix counts. */
function pairsOf(ports: readonly Judged[]): readonly Pair[] {
  const claims = ports.flatMap((judged) => judged.port.facts.allowedPairs.map(({ cidr }) => ({ cidr, judged })))
  return [...Map.groupBy(claims, ({ cidr }) => cidr)]
    .toSorted(([a], [b]) => prefixLength(b) - prefixLength(a) || (a < b ? -1 : 1))
    .map(([cidr, sharing]) => {
      const rules = sharing.flatMap(({ judged }) => judged.port.facts.rules)
      return { cidr, in: compileRules('ingress', rules), out: compileRules('egress', rules) }
    })
}

const distinct = (texts: readonly string[]): readonly string[] => [...new Set(texts)]

function peerSets(compiled: readonly CompiledRules[]): string {
  const sets = new Map(compiled.flatMap(({ peers }) => peers).map((set) => [set.name, set]))
  return [...sets.values()]
    .map(
      ({ name, version, elements }) => `  set ${name} {
    type ipv${version}_addr;
    flags interval;
    auto-merge;
    elements = { ${elements.join(', ')} };
  }
`,
    )
    .join('')
}
