/** `SameHostFilter`, `DifferentHostFilter`, `SimpleCIDRAffinityFilter`: what users hint about other servers' hosts and hosts' addresses. */
import type { HostFilter } from '../host-state.ts'

export const sameHost: HostFilter = ({ host }, { sameHosts }) =>
  sameHosts === undefined || sameHosts.includes(host) ? undefined : 'has none of the servers to be with'

export const differentHost: HostFilter = ({ host }, { differentHosts = [] }) =>
  differentHosts.includes(host) ? 'has a server to be away from' : undefined

/** 32 or 128 digits. What is no address has none. */
function bitsOf(address: string): string {
  const binary = (numbers: readonly number[], width: number) =>
    numbers.map((number) => number.toString(2).padStart(width, '0')).join('')
  if (!address.includes(':')) return binary(address.split('.').map(Number), 8)
  const [head = [], tail] = address.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0')
  return binary(
    [...head, ...zeros, ...(tail ?? [])].map((group) => Number.parseInt(group, 16)),
    16,
  )
}

export const simpleCidrAffinity: HostFilter = ({ address }, { near }) => {
  if (near === undefined) return undefined
  const [here, there] = [bitsOf(address), bitsOf(near.address)]
  return here.length === there.length && here.startsWith(there.slice(0, near.prefix))
    ? undefined
    : `has the address ${address}, not one of ${near.address}/${near.prefix}`
}
