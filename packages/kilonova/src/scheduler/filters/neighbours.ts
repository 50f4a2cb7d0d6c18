/** `SameHostFilter`, `DifferentHostFilter`, `SimpleCIDRAffinityFilter`: what users hint about other servers' hosts and hosts' addresses. */
import { BlockList, isIP } from 'node:net'
import type { HostFilter } from '../host-state.ts'

export const sameHost: HostFilter = ({ host }, { sameHosts }) =>
  sameHosts === undefined || sameHosts.includes(host) ? undefined : 'has none of the servers to be with'

export const differentHost: HostFilter = ({ host }, { differentHosts = [] }) =>
  differentHosts.includes(host) ? 'has a server to be away from' : undefined

export const simpleCidrAffinity: HostFilter = ({ address }, { near }) => {
  if (near === undefined) return undefined
  const family = near.address.includes(':') ? 'ipv6' : 'ipv4'
  const net = new BlockList()
  net.addSubnet(near.address, near.prefix, family)
  return isIP(address) === (family === 'ipv6' ? 6 : 4) && net.check(address, family)
    ? undefined
    : `has the address ${address}, not one of ${near.address}/${near.prefix}`
}
