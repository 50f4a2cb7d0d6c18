/**
 * A libvirt stream as a Node Duplex: reading ends when the daemon has no more, `end()` finishes and is confirmed, `destroy()` aborts.
 * A slow reader stops the whole connection from reading (the protocol has no flow control per stream): give a long-lived stream its own.
 */
import { Duplex } from 'node:stream'
import { ConnectionLostError, LibvirtError, ProtocolError, type LibvirtErrorFields } from './errors.ts'
import type { Packet } from './frame.ts'
import { errorStruct, type Procedure } from './procedures.ts'
import { NET } from './protocol.gen.ts'
import { XdrReader } from './xdr.ts'

/** The largest piece every libvirt version takes. */
const PIECE = NET.MESSAGE_LEGACY_PAYLOAD_MAX

/** What a stream needs from its connection. */
export interface StreamLink {
  readonly procedure: Procedure
  /** `done` is called when the connection takes more. */
  send(status: number, body: Uint8Array, done: (error?: Error | null) => void): void
  /** This stream is full, or no longer. */
  setFull(full: boolean): void
  /** The daemon will send nothing more for it. */
  release(): void
}

export class LibvirtStream extends Duplex {
  readonly #link: StreamLink
  #finished: ((error?: Error | null) => void) | undefined
  #ended = false
  #released = false

  constructor(link: StreamLink, highWaterMark: number) {
    super({ highWaterMark, allowHalfOpen: false })
    this.#link = link
    if (link.procedure.kind === 'upload') this.resume()
  }

  /** The connection hands every packet of this stream to here. */
  receive({ status, type, body }: Packet): void {
    if (status === NET.ERROR) return this.#fail(body)
    if (status === NET.OK) return this.#confirmed()
    if (type === NET.STREAM_HOLE) {
      this.destroy(new ProtocolError('a sparse stream was not asked for'))
      return
    }
    if (this.#ended || this.destroyed) return
    if (body.length === 0) this.#end()
    else if (!this.push(Buffer.from(body))) this.#link.setFull(true)
  }

  /** The connection is gone, or the daemon ended the stream with an error. */
  lost(error: ConnectionLostError | LibvirtError): void {
    this.#release()
    const finished = this.#finished
    this.#finished = undefined
    if (finished) finished(error)
    else this.destroy(error)
  }

  #fail(body: Buffer): void {
    const fields = errorStruct.read(new XdrReader(body)) as unknown as LibvirtErrorFields
    this.lost(new LibvirtError(fields, this.#link.procedure.name))
  }

  #confirmed(): void {
    this.#release()
    this.#end()
    this.#finished?.()
    this.#finished = undefined
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#link.setFull(false)
    this.push(null)
  }

  #release(): void {
    if (this.#released) return
    this.#released = true
    this.#link.setFull(false)
    this.#link.release()
  }

  override _read(): void {
    this.#link.setFull(false)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#released) return done(new ProtocolError('the stream is closed'))
    const sendFrom = (offset: number): void => {
      const end = offset + PIECE
      this.#link.send(NET.CONTINUE, chunk.subarray(offset, end), (error) =>
        error || end >= chunk.length ? done(error) : sendFrom(end),
      )
    }
    sendFrom(0)
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#released) return done()
    this.#finished = done
    this.#link.send(NET.OK, new Uint8Array(), (error) => {
      if (error) this.#finished?.(error)
    })
  }

  /** Not finished yet: abort. The daemon's confirmation is awaited by the connection, not by us. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#ended = true
    this.#link.setFull(false)
    if (!this.#released && !this.#finished) this.#link.send(NET.ERROR, new Uint8Array(), () => {})
    done(error)
  }
}
