/**
 * The packet filter of one network as text for `nft -f -`: it replaces the whole of the former one in one transaction. Pure.
 *
 *   guest ─ tap ─ wire ─▶ guard/prerouting ─▶ groups/prerouting ─┬─▶ guard/forward ─▶ groups/forward ─▶ another port
 *                         may it say so?      may it send this?  └─▶ gateway, DHCP, metadata ─▶ routed traffic
 *
 * `guard` (bridge) sees ports: it drops what a port may not claim to be, and marks frames with the port they came from and, on
 * their way out, the port they go to. A port that it was not told of is dead. `groups` (inet, called by br_netfilter for bridged frames) knows connections: it looks the
 * marks up. Per packet the cost is a few look-ups, however many ports there are.
 */
import { run } from './command.ts'
import { linkLocal, versionOf } from './address.ts'
import { METADATA_ADDRESS } from './layout.ts'
import { innerLink } from './names.ts'
import { type CompiledRules, compileRules } from './security-rules.ts'
import type { PluggedPort } from './store.ts'

/** Marks of destinations, so that one number is never taken for a source. */
const TO = 0x10000

export function packetFilter(ports: Iterable<PluggedPort>): string {
  const ordered = [...ports].toSorted((a, b) => a.number - b.number)
  const secured = ordered.filter(({ facts }) => facts.portSecurity)
  return `${guard(
    secured,
    ordered.filter(({ facts }) => !facts.portSecurity),
  )}${groups(secured)}`
}

export async function applyPacketFilter(namespace: string, ports: Iterable<PluggedPort>): Promise<void> {
  await run('nsenter', [`--net=/run/netns/${namespace}`, 'nft', '-f', '-'], {
    input: packetFilter(ports),
    timeoutMs: 30_000,
  })
}

function guard(ports: readonly PluggedPort[], open: readonly PluggedPort[]): string {
  const quoted = (port: PluggedPort): string => `"${innerLink(port.facts.portId)}"`
  const links = ports.map((port) => ({ ...port, link: quoted(port) }))
  const addresses = (version: 4 | 6) =>
    links.flatMap(({ facts, link }) => [
      ...facts.fixedIps
        .filter(({ address }) => versionOf(address) === version)
        .map(({ address }) => `${link} . ${address}`),
      ...(version === 6 ? [`${link} . ${linkLocal(facts.mac)}`] : []),
    ])
  return `table bridge guard
delete table bridge guard
table bridge guard {
${named('set open', 'ifname', open.map(quoted))}
${named(
  'set secured',
  'ifname',
  links.map(({ link }) => link),
)}
${named(
  'set cards',
  'ifname . ether_addr',
  links.map(({ link, facts }) => `${link} . ${facts.mac}`),
)}
${named('set addresses4', 'ifname . ipv4_addr', addresses(4))}
${named('set addresses6', 'ifname . ipv6_addr', addresses(6))}
${named(
  'map sources',
  'ifname : mark',
  links.map(({ link, number }) => `${link} : ${number}`),
)}
${named(
  'map destinations',
  'ifname : mark',
  links.map(({ link, number }) => `${link} : ${TO + number}`),
)}
  chain says_arp {
    arp htype 1 arp ptype ip iifname . arp saddr ether @cards iifname . arp saddr ip @addresses4 accept
    arp htype 1 arp ptype ip iifname . arp saddr ether @cards arp saddr ip 0.0.0.0 accept
    drop
  }
  chain says_ip4 {
    udp sport 67 drop
    ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
    iifname . ip saddr @addresses4 accept
    drop
  }
  chain says_ip6 {
    icmpv6 type { nd-router-advert, nd-redirect } drop
    udp sport 547 drop
    iifname . ip6 saddr @addresses6 accept
    ip6 saddr :: icmpv6 type { nd-neighbor-solicit, mld2-listener-report } accept
    drop
  }
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    iifname @open accept
    iifname != @secured drop
    iifname . ether saddr != @cards drop
    meta mark set iifname map @sources
    ether type vmap { arp : jump says_arp, ip : jump says_ip4, ip6 : jump says_ip6 }
    drop
  }
  chain forward {
    type filter hook forward priority -200; policy accept;
    oifname @open accept
    oifname != @secured drop
    ether type != { arp, ip, ip6 } drop
    meta mark set oifname map @destinations
  }
}
`
}

function groups(ports: readonly PluggedPort[]): string {
  const all = ports.map((port) => ({
    ...port,
    out: compileRules('egress', port.facts.rules),
    in: compileRules('ingress', port.facts.rules),
  }))
  const compiled = all.flatMap(({ out, in: into }) => [out, into])
  const arriving = (version: 4 | 6) =>
    all.flatMap(({ facts, in: { chain } }) =>
      facts.fixedIps
        .filter(({ address }) => versionOf(address) === version)
        .map(({ address }) => `${address} : jump ${chain.name}`),
    )
  return `table inet groups
delete table inet groups
table inet groups {
${peerSets(compiled)}${chains(compiled)}
${named(
  'map leaving',
  'mark : verdict',
  all.map(({ number, out }) => `${number} : jump ${out.chain.name}`),
)}
${named(
  'map arriving',
  'mark : verdict',
  all.map(({ number, in: { chain } }) => `${TO + number} : jump ${chain.name}`),
)}
${named('map arriving4', 'ipv4_addr : verdict', arriving(4))}
${named('map arriving6', 'ipv6_addr : verdict', arriving(6))}
  chain prerouting {
    type filter hook prerouting priority 0; policy accept;
    ct state established,related accept
    ip daddr ${METADATA_ADDRESS} tcp dport 80 accept
    udp sport 68 udp dport 67 accept
    udp sport 546 udp dport 547 accept
    icmpv6 type { mld-listener-report, nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept
    meta mark vmap @leaving
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    ct state established,related accept
    icmpv6 type { mld-listener-query, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
    meta mark vmap @arriving
    ip daddr vmap @arriving4
    ip6 daddr vmap @arriving6
  }
}
`
}

const named = (what: string, type: string, elements: readonly string[]): string =>
  `  ${what} {\n    type ${type};${elements.length === 0 ? '' : `\n    elements = { ${elements.join(', ')} };`}\n  }`

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

function chains(compiled: readonly CompiledRules[]): string {
  const byName = new Map(compiled.map(({ chain }) => [chain.name, chain]))
  return [...byName.values()]
    .map(({ name, statements }) => `  chain ${name} {\n    ${statements.join('\n    ')}\n  }`)
    .join('\n')
}
