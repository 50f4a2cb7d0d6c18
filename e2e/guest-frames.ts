// Frames that a guest may not send, made byte by byte; and the program that sends and hears them in a guest.
import { createHash } from 'node:crypto'

/** The program of guest-frames.s. */
export const FRAMES_PROGRAM =
  'f0VMRgIBAQAAAAAAAAAAAAIAPgABAAAAeABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAABAAAAAAAAAAEAAAAHAAAAeAAAAAAAAAB4AEAAAAAAAHgAQAAAAAAAxAAAAAAAAADEAAAAAAAAAAEAAAAAAAAATIs0JL8RAAAAvgMAAAC6AAMAALgpAAAADwVJicVIgewgCAAASYP+AXVvMf9Iiea6AAQAADHADwVIPQAEAAB1e2bHhCQACAAAEQBmx4QkAggAAAADiwQkiYQkBAgAAMeEJAgIAAAAAAAGTInvSI10JAiLVCQERTHSTI2EJAAIAABBuRQAAAC4LAAAAA8FSIXAeZi/AQAAAOskTInvSInmugAIAAAxwA8FicK/AQAAAEiJ5rgBAAAADwXr3jH/uDwAAAAPBQ=='

/** What the program reads: one frame for the link of that index. */
export function record(link: number, frame: Buffer): Buffer {
  const bytes = Buffer.alloc(1024)
  bytes.writeUInt32LE(link, 0)
  bytes.writeUInt32LE(frame.length, 4)
  frame.copy(bytes, 8)
  return bytes
}

/** Bytes that nothing else sends, by which a frame is known again. */
export const cookie = (name: string): Buffer =>
  createHash('sha256').update(`${name} ${Math.random()}`).digest().subarray(0, 16)

export interface Station {
  readonly mac: string
  readonly ip: string
}

const mac = (text: string): Buffer => Buffer.from(text.replaceAll(':', ''), 'hex')
const ip4 = (text: string): Buffer => Buffer.from(text.split('.').map(Number))
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255])
/** `fe80::` and the card's own digits. */
export const linkLocalBytes = (text: string): Buffer => {
  const card = mac(text)
  card.writeUInt8(card.readUInt8(0) ^ 2, 0)
  return Buffer.concat([
    Buffer.from('fe80000000000000', 'hex'),
    card.subarray(0, 3),
    Buffer.from([0xff, 0xfe]),
    card.subarray(3),
  ])
}
const ALL_NODES = { mac: '33:33:00:00:00:01', ip: Buffer.from('ff020000000000000000000000000001', 'hex') }
export const EVERYBODY = 'ff:ff:ff:ff:ff:ff'

export const ethernet = (to: string, from: string, type: number, payload: Buffer): Buffer => {
  const frame = Buffer.concat([mac(to), mac(from), u16(type), payload])
  return frame.length >= 60 ? frame : Buffer.concat([frame, Buffer.alloc(60 - frame.length)])
}

/** RFC 1071. */
function checksum(...parts: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(parts)
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return u16(~sum & 0xffff)
}

const udp = (from: number, to: number, payload: Buffer, check: (segment: Buffer) => Buffer): Buffer => {
  const segment = Buffer.concat([u16(from), u16(to), u16(8 + payload.length), u16(0), payload])
  check(segment).copy(segment, 6)
  return segment
}

export function udp4(from: Station, to: Station, ports: readonly [number, number], payload: Buffer): Buffer {
  const addresses = Buffer.concat([ip4(from.ip), ip4(to.ip)])
  const segment = udp(...ports, payload, (bytes) => checksum(addresses, u16(17), u16(bytes.length), bytes))
  const head = Buffer.concat([
    Buffer.from([0x45, 0]),
    u16(20 + segment.length),
    Buffer.from([0, 1, 0, 0, 64, 17, 0, 0]),
    addresses,
  ])
  checksum(head).copy(head, 10)
  return ethernet(to.mac, from.mac, 0x0800, Buffer.concat([head, segment]))
}

/** `sender` is what it says of itself inside; `from` the card it really comes from. */
export const arp = (
  from: string,
  operation: 'request' | 'reply',
  sender: Station,
  target: Station,
  mark: Buffer,
): Buffer =>
  ethernet(
    EVERYBODY,
    from,
    0x0806,
    Buffer.concat([
      Buffer.from('0001080006040000', 'hex').fill(operation === 'request' ? 1 : 2, 7),
      mac(sender.mac),
      ip4(sender.ip),
      mac(target.mac),
      ip4(target.ip),
      mark,
    ]),
  )

function ip6(from: string, source: Buffer, next: number, payload: Buffer): Buffer {
  const head = Buffer.concat([
    Buffer.from('60000000', 'hex'),
    u16(payload.length),
    Buffer.from([next, 255]),
    source,
    ALL_NODES.ip,
  ])
  return ethernet(ALL_NODES.mac, from, 0x86dd, Buffer.concat([head, payload]))
}

/** To all nodes. `body` follows the checksum. */
export function icmp6(from: string, source: Buffer, type: number, body: Buffer, fragmented = false): Buffer {
  const message = Buffer.concat([Buffer.from([type, 0, 0, 0]), body])
  checksum(source, ALL_NODES.ip, u16(message.length), u16(58), message).copy(message, 2)
  if (!fragmented) return ip6(from, source, 58, message)
  return ip6(from, source, 44, Buffer.concat([Buffer.from([58, 0, 0, 0, 0, 0, 0, 7]), message]))
}

export function udp6(from: string, source: Buffer, ports: readonly [number, number], payload: Buffer): Buffer {
  const segment = udp(...ports, payload, (bytes) => checksum(source, ALL_NODES.ip, u16(bytes.length), u16(17), bytes))
  return ip6(from, source, 17, segment)
}

/** An option of neighbour discovery that nobody knows, with the mark in it. */
export const oddOption = (mark: Buffer): Buffer => Buffer.concat([Buffer.from([253, 3]), Buffer.alloc(6), mark])
