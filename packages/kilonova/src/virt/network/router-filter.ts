/**
 * The packet filter of one router as text for `nft -f -`: it replaces the whole of the former one in one transaction. Pure.
 *
 *   outside ── floating IP ─▶ fixed address ── inside
 *   outside ◀─ floating IP, else the gateway's address ◀── inside
 *   inside ─ floating IP ─▶ fixed address, as the gateway's address ── inside
 *
 * The kernel translates a connection as its first packet was. So that none outlives what it was translated by, connections are kept apart
 * by zone, and the zone's number is made of the translation: with another one their next packets begin new connections.
 */
import { createHash } from 'node:crypto'
import type { RouterFacts } from '../driver.ts'
import { leadingHex, versionOf } from './address.ts'
import { innerLink } from './names.ts'
import { chain, named } from './nft-text.ts'

const INSIDE = '0x1'
/** Where the addresses of the packet that an ICMP error is about are, in bits after the IP header. */
const INNER_SOURCE = '@th,160,32'
const INNER_DESTINATION = '@th,192,32'

export function routerFilter({ interfaces, gateway, floatingIps }: RouterFacts): string {
  const body = gateway === null ? '' : translation(gateway, interfaces, floatingIps)
  return `table ip router
delete table ip router
table ip router {
${body}}
`
}

function translation(
  gateway: NonNullable<RouterFacts['gateway']>,
  interfaces: RouterFacts['interfaces'],
  floatingIps: RouterFacts['floatingIps'],
): string {
  const outside = `"${innerLink(gateway.portId)}"`
  const address = gateway.fixedIps.map((fixed) => fixed.address).find((each) => versionOf(each) === 4)
  const leads = floatingIps
    .map((each) => ({ ...each, zone: zoneOf(`${each.address} ${each.fixedAddress}`) }))
    .toSorted((a, b) => (a.address < b.address ? -1 : 1))
  const insideBlocks = interfaces
    .flatMap(({ subnets }) => subnets.map(({ cidr }) => cidr))
    .filter((cidr) => versionOf(cidr) === 4)
    .toSorted()
  const rest = zoneOf(`${address} ${gateway.snat}`)
  return `${named(
    'map floating',
    'type ipv4_addr : ipv4_addr',
    leads.map((lead) => `${lead.address} : ${lead.fixedAddress}`),
  )}
${named(
  'map fixed',
  'type ipv4_addr : ipv4_addr',
  leads.map((lead) => `${lead.fixedAddress} : ${lead.address}`),
)}
${named(
  'map floating_zones',
  'typeof ip daddr : ct zone',
  leads.map(({ address: floating, zone }) => `${floating} : ${zone}`),
)}
${named(
  'map fixed_zones',
  'typeof ip saddr : ct zone',
  leads.map(({ fixedAddress, zone }) => `${fixedAddress} : ${zone}`),
)}
${named(
  'map inner_zones',
  `typeof ${INNER_DESTINATION} : ct zone`,
  leads.map(({ fixedAddress, zone }) => `${leadingHex(fixedAddress, 32)} : ${zone}`),
)}
${chain({
  name: 'zones',
  statements: [
    'type filter hook prerouting priority -300; policy accept;',
    ...(insideBlocks.length > 0 ? [`iifname ${outside} ip saddr { ${insideBlocks.join(', ')} } drop`] : []),
    `iifname != ${outside} meta mark set ${INSIDE}`,
    'ct zone set ip daddr map @floating_zones',
    'ct zone set ip saddr map @fixed_zones',
    `ct zone set ${rest}`,
  ],
})}
${chain({
  name: 'own_zones',
  statements: [
    'type filter hook output priority -300; policy accept;',
    `icmp type { destination-unreachable, time-exceeded } ct zone set ${INNER_DESTINATION} map @inner_zones`,
    `icmp type { destination-unreachable, time-exceeded } ct zone set ${INNER_SOURCE} map @inner_zones`,
    `ct zone set ${rest}`,
  ],
})}
${chain({ name: 'in', statements: ['type nat hook prerouting priority -100; policy accept;', 'dnat to ip daddr map @floating'] })}
${chain({
  name: 'out',
  statements: [
    'type nat hook postrouting priority 100; policy accept;',
    `oifname ${outside} snat to ip saddr map @fixed`,
    ...(address === undefined
      ? []
      : [
          ...(gateway.snat ? [`oifname ${outside} snat to ${address}`] : []),
          // Answers to somebody beside it would not come back this way.
          `meta mark ${INSIDE} ct status dnat snat to ${address}`,
        ]),
  ],
})}
${chain({
  name: 'forward',
  statements: [
    'type filter hook forward priority 0; policy accept;',
    `iifname != ${outside} accept`,
    `oifname ${outside} drop`,
    'ct status dnat accept',
    'ct state established,related accept',
    ...(gateway.snat ? ['drop'] : []),
  ],
})}
`
}

/** 1 to 65535: 0 is where connections are that nobody put anywhere. */
const zoneOf = (translation: string): number =>
  1 + (createHash('sha256').update(translation).digest().readUInt32BE(0) % 65_535)
