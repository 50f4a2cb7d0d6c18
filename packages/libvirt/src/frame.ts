/** Packets: a length word that counts itself, six header words, a body. A packet's size is bounded before anything is kept of it. */
import { ProtocolError } from './errors.ts'
import { NET } from './protocol.gen.ts'

export const HEADER_BYTES = NET.MESSAGE_LEN_MAX + NET.MESSAGE_HEADER_MAX
export const MAX_PACKET = NET.MESSAGE_MAX + NET.MESSAGE_LEN_MAX

export interface Header {
  readonly program: number
  readonly version: number
  readonly procedure: number
  readonly type: number
  readonly serial: number
  readonly status: number
}
export interface Packet extends Header {
  readonly body: Buffer
}

/** Fills the first `HEADER_BYTES` of `packet`, which must already have its final length. */
export function writeHeader(packet: Buffer, header: Header): Buffer {
  packet.writeUInt32BE(packet.length, 0)
  packet.writeUInt32BE(header.program, 4)
  packet.writeUInt32BE(header.version, 8)
  packet.writeInt32BE(header.procedure, 12)
  packet.writeUInt32BE(header.type, 16)
  packet.writeUInt32BE(header.serial, 20)
  packet.writeUInt32BE(header.status, 24)
  return packet
}

export function packetOf(header: Header, body: Uint8Array = new Uint8Array()): Buffer {
  const packet = Buffer.allocUnsafe(HEADER_BYTES + body.length)
  packet.set(body, HEADER_BYTES)
  return writeHeader(packet, header)
}

function parsePacket(packet: Buffer): Packet {
  return {
    program: packet.readUInt32BE(4),
    version: packet.readUInt32BE(8),
    procedure: packet.readInt32BE(12),
    type: packet.readUInt32BE(16),
    serial: packet.readUInt32BE(20),
    status: packet.readUInt32BE(24),
    body: packet.subarray(HEADER_BYTES),
  }
}

/** Cuts the byte stream into packets, however it is split or merged on the way. */
export class PacketReader {
  #chunks: Buffer[] = []
  #kept = 0

  /** @throws ProtocolError when a length is impossible. */
  push(chunk: Buffer): Packet[] {
    const packets: Packet[] = []
    this.#chunks.push(chunk)
    this.#kept += chunk.length
    for (let need = this.#needed(); need !== undefined && this.#kept >= need; need = this.#needed()) {
      const all = this.#merge()
      this.#chunks = need < all.length ? [all.subarray(need)] : []
      this.#kept = all.length - need
      packets.push(parsePacket(all.subarray(0, need)))
    }
    return packets
  }

  #merge(): Buffer {
    const [only] = this.#chunks
    return only && this.#chunks.length === 1 ? only : Buffer.concat(this.#chunks)
  }

  #needed(): number | undefined {
    if (this.#kept < NET.MESSAGE_LEN_MAX) return undefined
    if ((this.#chunks[0]?.length ?? 0) < NET.MESSAGE_LEN_MAX) this.#chunks = [this.#merge()]
    const length = this.#chunks[0]?.readUInt32BE(0) ?? 0
    if (length < HEADER_BYTES || length > MAX_PACKET) throw new ProtocolError(`a packet of ${length} bytes`)
    return length
  }
}
