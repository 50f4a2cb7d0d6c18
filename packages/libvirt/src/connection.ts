/** One socket to libvirtd: frames, serials, the window of calls in flight, streams, keepalive. Any broken frame ends it for everybody. */
import type { Socket } from 'node:net'
import { ConnectionLostError, LibvirtError, ProtocolError, QueueFullError, type LibvirtErrorFields } from './errors.ts'
import { HEADER_BYTES, MAX_PACKET, PacketReader, packetOf, writeHeader, type Packet } from './frame.ts'
import { startKeepalive, type Keepalive, type KeepaliveOptions } from './keepalive.ts'
import { errorStruct, type Procedure, procedureNumbered } from './procedures.ts'
import { NET } from './protocol.gen.ts'
import { LibvirtStream } from './stream.ts'
import { XdrReader, XdrWriter } from './xdr.ts'

export type Values = Readonly<Record<string, unknown>>

export interface ConnectionOptions {
  readonly maxInFlight: number
  readonly maxQueued: number
  readonly streamBufferBytes: number
}

export interface ConnectionListener {
  message(procedure: Procedure, body: Values): void
  closed(reason: ConnectionLostError): void
}

interface Call {
  readonly procedure: Procedure
  readonly serial: number
  readonly packet: Buffer
  /** Runs before the next packet is looked at. */
  answered(body: Packet): void
  failed(error: Error): void
}

export class Connection {
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #reader = new PacketReader()
  readonly #inFlight = new Map<number, Call>()
  readonly #queue: Call[] = []
  readonly #streams = new Map<number, LibvirtStream>()
  readonly #fullStreams = new Set<number>()
  #listener: ConnectionListener | undefined
  #keepalive: Keepalive | undefined
  #serial = 0
  #reason: ConnectionLostError | undefined

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    socket.on('error', (error) =>
      this.close(new ConnectionLostError(`connection to libvirtd failed: ${error.message}`, { cause: error })),
    )
    socket.on('close', () => this.close(new ConnectionLostError('libvirtd closed the connection')))
  }

  listen(listener: ConnectionListener): void {
    this.#listener = listener
    if (this.#reason) listener.closed(this.#reason)
  }

  /** Why it is closed; `undefined` while it is open. */
  get reason(): ConnectionLostError | undefined {
    return this.#reason
  }

  /** Calls are waiting for their answer. */
  get busy(): boolean {
    return this.#inFlight.size > 0 || this.#queue.length > 0
  }

  startKeepalive(options: KeepaliveOptions): void {
    this.#keepalive ??= startKeepalive(options, {
      ping: () => this.#sendKeepalive(NET.KEEPALIVE_PROC_PING),
      dead: (reason) => this.close(new ConnectionLostError(reason)),
      mayListen: () => this.#fullStreams.size === 0,
    })
  }

  /** `answered` runs at once when the answer arrives, before any later packet is handled. */
  call(procedure: Procedure, args: Values, answered?: (ret: Values, serial: number) => void): Promise<Values> {
    return new Promise((resolve, reject) => {
      if (this.#reason) throw this.#reason
      if (this.#queue.length >= this.#options.maxQueued) {
        throw new QueueFullError(`${this.#queue.length} calls are already waiting for libvirtd`)
      }
      const serial = (this.#serial = (this.#serial + 1) >>> 0 || 1)
      this.#queue.push({
        procedure,
        serial,
        packet: encodeCall(procedure, serial, args),
        answered: ({ body }) => {
          const ret = decodeBody(procedure, body)
          answered?.(ret, serial)
          resolve(ret)
        },
        failed: reject,
      })
      this.#sendQueued()
    })
  }

  async openStream(procedure: Procedure, args: Values): Promise<{ stream: LibvirtStream; ret: Values }> {
    let stream: LibvirtStream | undefined
    const ret = await this.call(procedure, args, (_ret, serial) => {
      stream = this.#newStream(procedure, serial)
    })
    if (!stream) throw new ProtocolError('answered without a serial')
    return { stream, ret }
  }

  /** Rejects everything pending; the first reason stays. */
  close(reason: ConnectionLostError): void {
    if (this.#reason) return
    this.#reason = reason
    this.#keepalive?.stop()
    this.#socket.destroy()
    const pending = [...this.#inFlight.values(), ...this.#queue.splice(0)]
    this.#inFlight.clear()
    for (const call of pending) call.failed(reason)
    for (const stream of this.#streams.values()) stream.lost(reason)
    this.#listener?.closed(reason)
  }

  #sendQueued(): void {
    while (this.#inFlight.size < this.#options.maxInFlight) {
      const call = this.#queue.shift()
      if (!call) return
      this.#inFlight.set(call.serial, call)
      this.#socket.write(call.packet)
    }
  }

  #sendKeepalive(procedure: number): void {
    this.#socket.write(
      packetOf({
        program: NET.KEEPALIVE_PROGRAM,
        version: NET.KEEPALIVE_PROTOCOL_VERSION,
        procedure,
        type: NET.MESSAGE,
        serial: 0,
        status: NET.OK,
      }),
    )
  }

  #newStream(procedure: Procedure, serial: number): LibvirtStream {
    const header = { program: procedure.program, version: 1, procedure: procedure.number, type: NET.STREAM, serial }
    const stream = new LibvirtStream(
      {
        procedure,
        send: (status, body, done) => {
          this.#socket.write(packetOf({ ...header, status }, body), done)
        },
        setFull: (full) => this.#setFull(serial, full),
        release: () => this.#streams.delete(serial),
      },
      this.#options.streamBufferBytes,
    )
    this.#streams.set(serial, stream)
    return stream
  }

  #setFull(serial: number, full: boolean): void {
    if (full) this.#fullStreams.add(serial)
    else if (!this.#fullStreams.delete(serial)) return
    if (this.#fullStreams.size > 0) this.#socket.pause()
    else this.#socket.resume()
  }

  #received(chunk: Buffer): void {
    this.#keepalive?.heard()
    try {
      for (const packet of this.#reader.push(chunk)) {
        if (this.#reason) return
        this.#dispatch(packet)
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.close(new ConnectionLostError(`libvirtd broke the protocol: ${error.message}`, { cause: error }))
    }
  }

  #dispatch(packet: Packet): void {
    if (packet.program === NET.KEEPALIVE_PROGRAM) {
      if (packet.procedure === NET.KEEPALIVE_PROC_PING) this.#sendKeepalive(NET.KEEPALIVE_PROC_PONG)
      return
    }
    switch (packet.type) {
      case NET.REPLY:
        return this.#reply(packet)
      case NET.MESSAGE:
        return this.#message(packet)
      case NET.STREAM:
      case NET.STREAM_HOLE:
        // A packet may still be under way for a stream we have released: it concerns nobody.
        this.#streams.get(packet.serial)?.receive(packet)
        return
      default:
        throw new ProtocolError(`a packet of type ${packet.type}`)
    }
  }

  #reply(packet: Packet): void {
    const call = this.#inFlight.get(packet.serial)
    if (!call) throw new ProtocolError(`an answer to call ${packet.serial}, which nobody made`)
    if (call.procedure.number !== packet.procedure || call.procedure.program !== packet.program) {
      throw new ProtocolError(
        `call ${packet.serial} (${call.procedure.name}) was answered by procedure ${packet.procedure}`,
      )
    }
    this.#inFlight.delete(packet.serial)
    try {
      if (packet.status === NET.OK) call.answered(packet)
      else call.failed(decodeError(call.procedure, packet.body))
    } catch (error) {
      call.failed(error instanceof Error ? error : new Error(String(error)))
    }
    this.#sendQueued()
  }

  #message({ program, procedure, body }: Packet): void {
    const known = procedureNumbered(program, procedure)
    // Newer daemons may know more messages than we do; unasked-for ones are theirs to send.
    if (known?.kind === 'message') this.#listener?.message(known, decodeBody(known, body))
  }
}

function encodeCall(procedure: Procedure, serial: number, args: Values): Buffer {
  const out = new XdrWriter(HEADER_BYTES, MAX_PACKET)
  procedure.args.write(out, args)
  const { program, number } = procedure
  return writeHeader(out.finish(), { program, version: 1, procedure: number, type: NET.CALL, serial, status: NET.OK })
}

function decodeBody(procedure: Procedure, body: Buffer): Values {
  const from = new XdrReader(body)
  const values = procedure.ret.read(from)
  if (from.remaining > 0) throw new ProtocolError(`${from.remaining} bytes too many after ${procedure.name}`)
  return values
}

const decodeError = (procedure: Procedure, body: Buffer): LibvirtError =>
  new LibvirtError(errorStruct.read(new XdrReader(body)) as unknown as LibvirtErrorFields, procedure.name)
