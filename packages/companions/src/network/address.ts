/** IPv4 and IPv6 addresses as numbers. A key is the number in hexadecimal, as wide as its version, so that text sorts as numbers do. */
import { isIPv4, isIPv6 } from 'node:net'

export type IpVersion = 4 | 6

export interface Address {
  readonly version: IpVersion
  readonly value: bigint
}

export interface Cidr {
  readonly version: IpVersion
  readonly prefix: number
  readonly first: bigint
  readonly last: bigint
}

const bits = (version: IpVersion): number => (version === 4 ? 32 : 128)

export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { version: 4, value: text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n) }
  if (!isIPv6(text) || text.includes('%')) return undefined
  // The URL parser writes embedded IPv4 as two groups.
  const [left = '', right] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const [head, tail] = [groups(left), groups(right ?? '')]
  const all = right === undefined ? head : [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail]
  return { version: 6, value: all.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n) }
}

export function formatAddress({ version, value }: Address): string {
  if (version === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.')
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - index * 16)) & 65_535n).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

export const keyOf = (version: IpVersion, value: bigint): string => value.toString(16).padStart(bits(version) / 4, '0')
export const ofKey = (key: string): Address => ({ version: key.length === 8 ? 4 : 6, value: BigInt(`0x${key}`) })

/** The text of a key's address; IPv4 without the way over numbers, for long lists. */
export const textOfKey = (key: string): string =>
  key.length === 8
    ? [0, 2, 4, 6].map((at) => Number.parseInt(key.slice(at, at + 2), 16)).join('.')
    : formatAddress(ofKey(key))

/** `10.0.0.7/24` is taken for the block it lies in. */
export function parseCidr(text: string): Cidr | undefined {
  const [base = '', length = '', ...rest] = text.split('/')
  const address = parseAddress(base)
  if (!address || rest.length > 0 || !/^\d{1,3}$/.test(length) || Number(length) > bits(address.version))
    return undefined
  const host = BigInt(bits(address.version) - Number(length))
  const first = (address.value >> host) << host
  return { version: address.version, prefix: Number(length), first, last: first + (1n << host) - 1n }
}

export const formatCidr = ({ version, first, prefix }: Cidr): string =>
  `${formatAddress({ version, value: first })}/${prefix}`

export const inside = ({ version, first, last }: Cidr, address: Address): boolean =>
  address.version === version && address.value >= first && address.value <= last

/** The address a guest gives itself from a prefix and its MAC (RFC 4291, appendix A). */
export function eui64(prefix: Cidr, mac: string): Address {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac.split(':').map((part) => Number.parseInt(part, 16))
  const host = Buffer.from([a ^ 2, b, c, 0xff, 0xfe, d, e, f]).readBigUInt64BE()
  return { version: 6, value: prefix.first | host }
}
