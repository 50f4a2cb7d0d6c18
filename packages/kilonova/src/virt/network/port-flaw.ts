/** Why the facts of a port cannot be used on this host, if they cannot: what passes is safe to write into commands, files and rules. */
import { isIP } from 'node:net'
import type { PortFacts } from '../driver.ts'
import { isCidr } from './address.ts'
import { ruleFlaw } from './security-rules.ts'

export function portFlaw(port: PortFacts): string | undefined {
  if (!/^[\w-]{1,64}$/.test(port.portId) || !/^[\w-]{1,64}$/.test(port.networkId))
    return 'its id or its network is not an id'
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(port.mac) || Number.parseInt(port.mac.slice(0, 2), 16) & 1)
    return `"${port.mac}" is not a card's address`
  if (!Number.isInteger(port.mtu) || port.mtu < 68 || port.mtu > 65_535) return `MTU ${port.mtu} is out of range`
  const address = [
    ...port.fixedIps.map((fixed) => fixed.address),
    ...port.subnets.flatMap(({ gateway, dnsServers, hostRoutes }) => [
      ...(gateway === null ? [] : [gateway]),
      ...dnsServers,
      ...hostRoutes.map(({ nexthop }) => nexthop),
    ]),
  ].find((text) => !isIP(text) || text.includes('%'))
  if (address !== undefined) return `"${address}" is not an address`
  const cidr = port.subnets
    .flatMap((subnet) => [subnet.cidr, ...subnet.hostRoutes.map(({ destination }) => destination)])
    .find((text) => !isCidr(text))
  if (cidr !== undefined) return `"${cidr}" is not a prefix`
  const flawed = port.rules.map(ruleFlaw).find((flaw) => flaw !== undefined)
  return flawed === undefined ? undefined : `a security group rule cannot be enforced: ${flawed}`
}
