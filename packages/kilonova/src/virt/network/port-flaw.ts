/** Why the facts of a port or a router cannot be used on this host, if they cannot: what passes is safe to write into commands, files and rules. */
import { isIP } from 'node:net'
import type { NicRate } from '../../domain/hardware/nic-quota.ts'
import type { PortFacts, RouterFacts, RouterPort } from '../driver.ts'
import { isCidr, versionOf } from './address.ts'
import { ruleFlaw } from './security-rules.ts'

export function portFlaw(port: PortFacts): string | undefined {
  const flaw = linkFlaw(port)
  if (flaw !== undefined) return flaw
  const pair = port.allowedPairs.find(({ cidr, mac }) => !isCidr(cidr) || !isMac(mac))
  if (pair) return `"${pair.cidr}" at "${pair.mac}" is not an address pair`
  const rate = [port.quota?.inbound, port.quota?.outbound].find((each) => each && !isRate(each))
  if (rate) return `"${Object.values(rate).join()}" is not a rate`
  const flawed = rulesFlaw(port.rules)
  return flawed === undefined ? undefined : `a security group rule cannot be enforced: ${flawed}`
}

/** Hundreds of ports share one list of rules, each with hundreds of peers. */
const known = new WeakMap<PortFacts['rules'], string>()
function rulesFlaw(rules: PortFacts['rules']): string | undefined {
  const flaw = known.get(rules) ?? rules.map(ruleFlaw).find((each) => each !== undefined) ?? ''
  known.set(rules, flaw)
  return flaw === '' ? undefined : flaw
}

const isRate = (rate: NicRate): boolean =>
  Object.values(rate).every((kib) => kib === undefined || (Number.isSafeInteger(kib) && kib > 0))

/** Of one card. */
const isMac = (text: string): boolean =>
  /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text) && (Number.parseInt(text.slice(0, 2), 16) & 1) === 0

export function routerFlaw(router: RouterFacts): string | undefined {
  if (!/^[\w-]{1,64}$/.test(router.routerId)) return 'its id is not an id'
  const flaw = [...router.interfaces, ...(router.gateway ? [router.gateway] : [])]
    .map(linkFlaw)
    .find((each) => each !== undefined)
  if (flaw !== undefined) return flaw
  const address = [
    ...router.routes.map(({ nexthop }) => nexthop),
    ...router.floatingIps.flatMap((each) => [each.address, each.fixedAddress]),
  ].find((text) => !isAddress(text))
  if (address !== undefined) return `"${address}" is not an address`
  const other = router.floatingIps
    .flatMap((each) => [each.address, each.fixedAddress])
    .find((each) => versionOf(each) === 6)
  if (other !== undefined) return `floating IP "${other}" is not of version 4`
  const cidr = router.routes.map(({ destination }) => destination).find((text) => !isCidr(text))
  return cidr === undefined ? undefined : `"${cidr}" is not a prefix`
}

const isAddress = (text: string): boolean => isIP(text) !== 0 && !text.includes('%')

function linkFlaw(port: RouterPort): string | undefined {
  if (!/^[\w-]{1,64}$/.test(port.portId) || !/^[\w-]{1,64}$/.test(port.networkId))
    return 'its id or its network is not an id'
  if (!isMac(port.mac)) return `"${port.mac}" is not a card's address`
  if (!Number.isInteger(port.mtu) || port.mtu < 68 || port.mtu > 65_535) return `MTU ${port.mtu} is out of range`
  const address = [
    ...port.fixedIps.map((fixed) => fixed.address),
    ...port.subnets.flatMap(({ gateway, dnsServers, hostRoutes }) => [
      ...(gateway === null ? [] : [gateway]),
      ...dnsServers,
      ...hostRoutes.map(({ nexthop }) => nexthop),
    ]),
  ].find((text) => !isAddress(text))
  if (address !== undefined) return `"${address}" is not an address`
  const cidr = port.subnets
    .flatMap((subnet) => [subnet.cidr, ...subnet.hostRoutes.map(({ destination }) => destination)])
    .find((text) => !isCidr(text))
  return cidr === undefined ? undefined : `"${cidr}" is not a prefix`
}
