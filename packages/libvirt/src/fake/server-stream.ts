/** The daemon's end of a stream: one packet at a time, the next when the socket has taken the last. */
import { ErrorDomain, ErrorLevel } from '../constants.gen.ts'
import { errorStruct } from '../procedures.ts'
import { NET } from '../protocol.gen.ts'
import { XdrWriter } from '../xdr.ts'
import type { Packet } from '../frame.ts'

const PIECE = NET.MESSAGE_LEGACY_PAYLOAD_MAX

export type SendStream = (status: number, body: Uint8Array, taken?: () => void) => void

export class ServerStream {
  readonly #send: SendStream
  readonly #release: () => void
  readonly #pieces: Uint8Array[] = []
  /** True until the opening call is answered, and while a packet is on its way. */
  #sending = true
  #over = false
  #onClose: () => void = () => {}
  #onData: (bytes: Buffer) => void = () => {}

  constructor(send: SendStream, release: () => void) {
    this.#send = send
    this.#release = release
  }

  /** The opening call has been answered. */
  start(): void {
    this.#sending = false
    this.#next()
  }

  onData(listener: (bytes: Buffer) => void): void {
    this.#onData = listener
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PIECE) this.#pieces.push(bytes.subarray(at, at + PIECE))
    this.#next()
  }

  /** Nothing more will come: an empty packet says so. */
  eof(): void {
    this.#pieces.push(new Uint8Array())
    this.#next()
  }

  fail(code: number, message: string): void {
    if (this.#over) return
    this.#close(NET.ERROR, encodeError({ code, message, domain: ErrorDomain.STREAMS, level: ErrorLevel.ERROR }))
  }

  receive({ status, body }: Packet): void {
    if (this.#over) return
    if (status === NET.CONTINUE) this.#onData(Buffer.from(body))
    else this.#close(NET.OK, new Uint8Array())
  }

  onClose(listener: () => void): void {
    this.#onClose = listener
  }

  /** It is over, also because the client is gone. */
  closed(): void {
    this.#over = true
    this.#pieces.length = 0
    this.#onClose()
  }

  #close(status: number, body: Uint8Array): void {
    this.closed()
    this.#release()
    this.#send(status, body)
  }

  #next(): void {
    if (this.#sending || this.#over) return
    const piece = this.#pieces.shift()
    if (!piece) return
    this.#sending = true
    this.#send(NET.CONTINUE, piece, () => {
      this.#sending = false
      this.#next()
    })
  }
}

export function encodeError(fields: { code: number; domain: number; level: number; message: string }): Buffer {
  const out = new XdrWriter(0, NET.MESSAGE_MAX)
  errorStruct.write(out, { ...fields, int1: 0, int2: 0 })
  return out.finish()
}
