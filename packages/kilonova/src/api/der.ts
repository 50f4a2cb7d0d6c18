/** Writes ASN.1 in DER: a tag, a length, a content. ITU-T X.690. */

type Node = Buffer

function node(tag: number, ...parts: readonly Node[]): Node {
  const content = Buffer.concat(parts)
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content])
  const hex = content.length.toString(16)
  const length = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, content])
}

export const sequence = (...parts: readonly Node[]): Node => node(0x30, ...parts)
export const set = (...parts: readonly Node[]): Node => node(0x31, ...parts)
/** `[number]`, around what has a tag of its own. */
export const explicit = (number: number, ...parts: readonly Node[]): Node => node(0xa0 | number, ...parts)
export const octets = (content: Buffer): Node => node(0x04, content)
export const bits = (content: Buffer): Node => node(0x03, Buffer.from([0]), content)
export const utf8 = (text: string): Node => node(0x0c, Buffer.from(text))
export const nothing: Node = node(0x05)

/** A number of zero or more, from its bytes; a leading zero byte keeps its sign. */
export const integer = (bytes: Buffer): Node =>
  node(0x02, (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)

/** `1.2.840.113549`: the first two in one, each in groups of seven bits. */
export function oid(dotted: string): Node {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const groups = (value: number): number[] => (value < 0x80 ? [value] : [...groups(value >>> 7), value & 0x7f])
  const bytes = [first * 40 + second, ...rest].flatMap((value) => {
    const all = groups(value)
    return all.map((group, index) => (index === all.length - 1 ? group : group | 0x80))
  })
  return node(0x06, Buffer.from(bytes))
}

/** Milliseconds since 1970, in seconds; of two forms the one that the year asks for (RFC 5280, 4.1.2.5). */
export function time(ms: number): Node {
  const digits = new Date(ms).toISOString().replaceAll(/\D/g, '').slice(0, 14)
  return Number(digits.slice(0, 4)) < 2050
    ? node(0x17, Buffer.from(`${digits.slice(2)}Z`))
    : node(0x18, Buffer.from(`${digits}Z`))
}
