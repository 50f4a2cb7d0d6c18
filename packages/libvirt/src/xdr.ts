/** XDR (RFC 4506) primitives: big-endian, padded to 4 bytes, every read checked against the end and against its limit. */
import { ProtocolError } from './errors.ts'

const padded = (length: number): number => (length + 3) & ~3

export class XdrWriter {
  #buffer: Buffer
  #length = 0
  readonly #limit: number

  /** `reserve` bytes at the front are left for a header. */
  constructor(reserve: number, limit: number) {
    this.#buffer = Buffer.allocUnsafe(512)
    this.#length = reserve
    this.#limit = limit
  }

  #room(bytes: number): number {
    const start = this.#length
    const end = start + bytes
    if (end > this.#limit) throw new RangeError(`message larger than ${this.#limit} bytes`)
    if (end > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#limit, Math.max(end, this.#buffer.length * 2)))
      this.#buffer.copy(larger, 0, 0, start)
      this.#buffer = larger
    }
    this.#length = end
    return start
  }

  int(value: number): void {
    const at = this.#room(4)
    this.#buffer.writeInt32BE(value, at)
  }
  uint(value: number): void {
    const at = this.#room(4)
    this.#buffer.writeUInt32BE(value, at)
  }
  hyper(value: bigint): void {
    const at = this.#room(8)
    this.#buffer.writeBigInt64BE(value, at)
  }
  unsignedHyper(value: bigint): void {
    const at = this.#room(8)
    this.#buffer.writeBigUInt64BE(value, at)
  }
  double(value: number): void {
    const at = this.#room(8)
    this.#buffer.writeDoubleBE(value, at)
  }
  /** Bytes whose length the type fixes. */
  fixed(bytes: Uint8Array): void {
    const at = this.#room(padded(bytes.length))
    this.#buffer.set(bytes, at)
    this.#buffer.fill(0, at + bytes.length, this.#length)
  }
  opaque(bytes: Uint8Array): void {
    this.uint(bytes.length)
    this.fixed(bytes)
  }
  string(text: string): void {
    const bytes = Buffer.byteLength(text)
    this.uint(bytes)
    const at = this.#room(padded(bytes))
    this.#buffer.write(text, at)
    this.#buffer.fill(0, at + bytes, this.#length)
  }
  /** What was written, the reserved bytes included. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }
}

export class XdrReader {
  readonly #buffer: Buffer
  #at: number

  constructor(buffer: Buffer, offset = 0) {
    this.#buffer = buffer
    this.#at = offset
  }

  #take(bytes: number): number {
    const start = this.#at
    if (start + bytes > this.#buffer.length) throw new ProtocolError('message ends early')
    this.#at = start + bytes
    return start
  }

  int(): number {
    return this.#buffer.readInt32BE(this.#take(4))
  }
  uint(): number {
    return this.#buffer.readUInt32BE(this.#take(4))
  }
  hyper(): bigint {
    return this.#buffer.readBigInt64BE(this.#take(8))
  }
  unsignedHyper(): bigint {
    return this.#buffer.readBigUInt64BE(this.#take(8))
  }
  double(): number {
    return this.#buffer.readDoubleBE(this.#take(8))
  }
  fixed(length: number): Buffer {
    const start = this.#take(padded(length))
    return this.#buffer.subarray(start, start + length)
  }
  /** A length word, refused above `limit`. */
  length(limit: number): number {
    const length = this.uint()
    if (length > limit) throw new ProtocolError(`length ${length} is above the limit ${limit}`)
    return length
  }
  /** A copy: the answer must not keep a whole packet alive. */
  opaque(limit: number): Uint8Array {
    return Uint8Array.from(this.fixed(this.length(limit)))
  }
  string(limit: number): string {
    return this.fixed(this.length(limit)).toString('utf8')
  }
  get remaining(): number {
    return this.#buffer.length - this.#at
  }
  rest(): Buffer {
    return this.#buffer.subarray(this.#take(this.remaining))
  }
}
