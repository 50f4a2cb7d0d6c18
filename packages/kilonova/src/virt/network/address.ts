/** Addresses in text form: what may be written into a command or a rule is checked here first. */
import { isIPv4, isIPv6 } from 'node:net'

export const isCidr = (text: string): boolean => {
  const [address = '', length, ...rest] = text.split('/')
  if (rest.length > 0 || length === undefined || !/^\d{1,3}$/.test(length)) return false
  return (isIPv4(address) && Number(length) <= 32) || (isIPv6(address) && Number(length) <= 128)
}

export const versionOf = (address: string): 4 | 6 => (address.includes(':') ? 6 : 4)

/** `10.0.0.0/20` → 20. */
export const prefixLength = (cidr: string): number => Number(cidr.split('/')[1])

export const networkAddress = (cidr: string): string => cidr.split('/')[0] ?? cidr

/** `10.0.0.0/20` → `255.255.240.0`. */
export const netmask = (cidr: string): string =>
  dotted(prefixLength(cidr) === 0 ? 0 : (-1 << (32 - prefixLength(cidr))) >>> 0)

/** Whether one prefix lies in the other, or is the same. Of one version. */
export const isWithin = (inner: string, outer: string): boolean =>
  prefixLength(inner) >= prefixLength(outer) &&
  leading(networkAddress(inner), prefixLength(outer)) === leading(networkAddress(outer), prefixLength(outer))

/** The first bits of an address of version 6 as a number in hexadecimal digits; of none of them, `0x0`. */
export const leadingHex = (address: string, bits: number): string => `0x${leading(address, bits).toString(16)}`

function leading(address: string, bits: number): bigint {
  const length = versionOf(address) === 4 ? 32 : 128
  return valueOf(address) >> BigInt(length - bits)
}

function valueOf(address: string): bigint {
  if (versionOf(address) === 4) return address.split('.').reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  // The last four bytes may be written as an address of version 4.
  const dots = /[\d.]*$/.exec(address)?.[0] ?? ''
  const plain = dots.includes('.') ? address.slice(0, -dots.length) + groupsOf(valueOf(dots)) : address
  const [head = '', tail] = plain.split('::')
  const groups = (text: string | undefined) => (text ? text.split(':') : [])
  const zeros = Array.from({ length: 8 - groups(head).length - groups(tail).length }, () => '0')
  return [...groups(head), ...(tail === undefined ? [] : zeros), ...groups(tail)].reduce(
    (sum, group) => (sum << 16n) | BigInt(`0x${group}`),
    0n,
  )
}

const groupsOf = (value: bigint): string => `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`

/** The address that a card of that MAC gives itself, RFC 4291 appendix A. */
export function linkLocal(mac: string): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac.split(':').map((byte) => Number.parseInt(byte, 16))
  const group = (high: number, low: number) => ((high << 8) | low).toString(16)
  return `fe80::${group(a ^ 2, b)}:${group(c, 0xff)}:${group(0xfe, d)}:${group(e, f)}`
}

/** Pairs of addresses for wires between the root namespace and a network's: out of the range that RFC 2544 keeps for benchmarks. */
export const WIRE_PAIRS = 65_535
const WIRE_BASE = 0xc612_0000 // 198.18.0.0/15

export const wirePair = (slot: number): { readonly root: string; readonly inner: string } => ({
  root: dotted(WIRE_BASE + slot * 2),
  inner: dotted(WIRE_BASE + slot * 2 + 1),
})

const dotted = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.')
