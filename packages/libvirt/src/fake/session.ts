/** One client's connection to the fake: reads calls, lets the weather spoil them, answers, and forwards events. */
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { ErrorDomain, ErrorLevel, ErrorNumber as ERR } from '../constants.gen.ts'
import { LibvirtError } from '../errors.ts'
import { DOMAIN_EVENTS } from '../events.ts'
import { MAX_PACKET, PacketReader, packetOf, type Header, type Packet } from '../frame.ts'
import { startKeepalive, type Keepalive, type KeepaliveOptions } from '../keepalive.ts'
import { type Procedure, procedureNamed, procedureNumbered } from '../procedures.ts'
import { NET } from '../protocol.gen.ts'
import type { Domain } from '../protocol-types.gen.ts'
import { XdrReader, XdrWriter } from '../xdr.ts'
import type { Handlers, Serving } from './handlers.ts'
import type { Hypervisor } from './hypervisor.ts'
import { encodeError, ServerStream } from './server-stream.ts'
import type { Trouble, Weather } from './weather.ts'

export interface SessionContext {
  readonly hypervisor: Hypervisor
  readonly hostname: string
  readonly weather: Weather
  readonly handlers: Handlers
  /** As `max_client_requests`: nothing more is read, pings included, while so many calls are under way. */
  readonly maxClientRequests: number
  readonly keepalive: KeepaliveOptions | undefined
}

type AnyHandler = (args: unknown, serving: Serving) => unknown

/** Emits `ping` and `pong` when the client sent one. */
export class Session extends EventEmitter<{ ping: []; pong: [] }> {
  readonly #socket: Socket
  readonly #context: SessionContext
  readonly #reader = new PacketReader()
  readonly #callbacks = new Map<number, { eventId: number; uuid: string | undefined }>()
  readonly #streams = new Map<number, ServerStream>()
  readonly #unread: Packet[] = []
  readonly #unsent: { packet: Buffer; taken: (() => void) | undefined }[] = []
  readonly #unlisten: () => void
  #keepalive: Keepalive | undefined
  #lastCallback = 0
  #underWay = 0
  /** Names of the calls that came in, oldest first. */
  readonly calls: string[] = []

  constructor(socket: Socket, context: SessionContext) {
    super()
    this.#socket = socket
    this.#context = context
    this.#unlisten = context.hypervisor.listen((name, dom, event) => this.#event(name, dom, event))
    socket.on('data', (chunk: Buffer) => {
      this.#keepalive?.heard()
      this.#unread.push(...this.#reader.push(chunk))
      this.#work()
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#closed())
  }

  get callbacks(): number {
    return this.#callbacks.size
  }
  get streams(): number {
    return this.#streams.size
  }
  /** Cuts the connection. */
  drop(): void {
    this.#socket.destroy()
  }
  ping(): void {
    this.#sendKeepalive(NET.KEEPALIVE_PROC_PING)
  }
  sendRaw(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  #closed(): void {
    this.#keepalive?.stop()
    this.#unlisten()
    this.#callbacks.clear()
    for (const stream of this.#streams.values()) stream.closed()
    this.#streams.clear()
    this.#unread.length = 0
  }

  #work(): void {
    while (this.#underWay < this.#context.maxClientRequests) {
      const packet = this.#unread.shift()
      if (!packet) {
        this.#socket.resume()
        return
      }
      this.#dispatch(packet)
    }
    this.#socket.pause()
  }

  #dispatch(packet: Packet): void {
    if (packet.program === NET.KEEPALIVE_PROGRAM) {
      const isPing = packet.procedure === NET.KEEPALIVE_PROC_PING
      if (isPing && this.#context.weather.wire.answerPings) this.#sendKeepalive(NET.KEEPALIVE_PROC_PONG)
      this.emit(isPing ? 'ping' : 'pong')
      return
    }
    if (packet.type === NET.STREAM) {
      this.#streams.get(packet.serial)?.receive(packet)
      return
    }
    if (packet.type !== NET.CALL) return this.drop()
    this.#underWay++
    void this.#call(packet).finally(() => {
      this.#underWay--
      this.#work()
    })
  }

  async #call(packet: Packet): Promise<void> {
    const procedure = procedureNumbered(packet.program, packet.procedure)
    if (!procedure) return this.#answerError(packet, ERR.RPC, `unknown procedure: ${packet.procedure}`)
    this.calls.push(procedure.name)
    const trouble = this.#context.weather.next(procedure.name)
    if (trouble?.kind === 'drop' && trouble.when === 'before') return this.drop()
    if (trouble?.kind === 'error') return this.#answerError(packet, trouble.code, trouble.message ?? 'spoilt on order')
    try {
      const body = await this.#perform(procedure, packet)
      if (trouble) await this.#spoil(trouble, packet, body)
      else this.#answer(packet, NET.OK, body)
      if (procedure.name === 'connectClose') this.#socket.end()
    } catch (error) {
      this.#streams.delete(packet.serial)
      const { code, message, domain, level } =
        error instanceof LibvirtError
          ? error
          : {
              code: ERR.INTERNAL_ERROR,
              message: `internal error: ${String(error)}`,
              domain: ErrorDomain.RPC,
              level: ErrorLevel.ERROR,
            }
      this.#answer(packet, NET.ERROR, encodeError({ code, message, domain, level }))
    }
  }

  async #perform(procedure: Procedure, packet: Packet): Promise<Buffer> {
    const handler = (this.#context.handlers as Readonly<Record<string, AnyHandler | undefined>>)[procedure.name]
    const { hypervisor, hostname } = this.#context
    if (!handler) {
      throw new LibvirtError(
        {
          code: ERR.NO_SUPPORT,
          message: `this function is not supported by the connection driver: ${procedure.name}`,
          domain: ErrorDomain.TEST,
          level: ErrorLevel.ERROR,
        },
        procedure.name,
      )
    }
    const args = procedure.args.read(new XdrReader(packet.body))
    const ret = await handler(args, {
      hypervisor,
      hostname,
      register: (eventId, dom) => this.#register(eventId, dom),
      deregister: (callbackId) => this.#deregister(callbackId),
      startKeepalive: () => this.#startKeepalive(),
      stream: () => this.#newStream(packet),
      endWith: (dom, stream) => stream.onClose(hypervisor.whenStopped(dom.uuid, () => stream.eof())),
    })
    const out = new XdrWriter(0, MAX_PACKET)
    procedure.ret.write(out, (ret ?? {}) as Readonly<Record<string, unknown>>)
    return out.finish()
  }

  async #spoil(trouble: Trouble, packet: Packet, body: Buffer): Promise<void> {
    if (trouble.kind === 'drop') return this.drop()
    if (trouble.kind === 'garbage') return this.sendRaw(trouble.bytes)
    if (trouble.kind === 'hold') await trouble.until
    this.#answer(packet, NET.OK, trouble.kind === 'badBody' ? Buffer.from(trouble.bytes) : body)
  }

  #newStream({ program, procedure, serial }: Packet): ServerStream {
    const header = { program, version: 1, procedure, type: NET.STREAM, serial }
    const stream = new ServerStream(
      (status, body, taken) => this.#send({ ...header, status }, body, taken),
      () => this.#streams.delete(serial),
    )
    this.#streams.set(serial, stream)
    return stream
  }

  #register(eventId: number, dom: Domain | null | undefined): number {
    const id = this.#lastCallback++
    this.#callbacks.set(id, { eventId, uuid: dom?.uuid })
    return id
  }

  #deregister(callbackId: number): void {
    if (this.#callbacks.delete(callbackId)) return
    throw new LibvirtError(
      {
        code: ERR.INVALID_ARG,
        message: `invalid argument: domain event callback ID ${callbackId} not registered`,
        domain: ErrorDomain.RPC,
        level: ErrorLevel.ERROR,
      },
      'connectDomainEventCallbackDeregisterAny',
    )
  }

  #startKeepalive(): void {
    const { keepalive } = this.#context
    if (!keepalive) return
    this.#keepalive ??= startKeepalive(keepalive, {
      ping: () => this.ping(),
      dead: () => this.drop(),
      mayListen: () => true,
    })
  }

  #event(name: keyof typeof DOMAIN_EVENTS, dom: Domain, event: object): void {
    const { id, message } = DOMAIN_EVENTS[name]
    const { program, number, ret } = procedureNamed(message)
    for (const [callbackID, { eventId, uuid }] of this.#callbacks) {
      if (eventId !== id || (uuid !== undefined && uuid !== dom.uuid)) continue
      const out = new XdrWriter(0, MAX_PACKET)
      ret.write(out, { callbackID, dom, ...event })
      this.#send({ program, version: 1, procedure: number, type: NET.MESSAGE, serial: 0, status: NET.OK }, out.finish())
    }
  }

  #answerError(packet: Packet, code: number, message: string): void {
    this.#answer(packet, NET.ERROR, encodeError({ code, message, domain: ErrorDomain.RPC, level: ErrorLevel.ERROR }))
  }

  #answer({ program, procedure, serial }: Packet, status: number, body: Uint8Array): void {
    this.#send({ program, version: 1, procedure, type: NET.REPLY, serial, status }, body)
    this.#streams.get(serial)?.start()
  }

  #sendKeepalive(procedure: number): void {
    this.#send(
      { program: NET.KEEPALIVE_PROGRAM, version: 1, procedure, type: NET.MESSAGE, serial: 0, status: NET.OK },
      new Uint8Array(),
    )
  }

  #send(header: Header, body: Uint8Array, taken?: () => void): void {
    this.#unsent.push({ packet: packetOf(header, body), taken })
    if (this.#unsent.length >= this.#context.weather.wire.mergePackets) this.#flush()
    else setImmediate(() => this.#flush())
  }

  #flush(): void {
    if (this.#socket.destroyed || this.#unsent.length === 0) return
    const unsent = this.#unsent.splice(0)
    const bytes = Buffer.concat(unsent.map(({ packet }) => packet))
    const piece = this.#context.weather.wire.pieceBytes ?? bytes.length
    for (let at = 0; at < bytes.length; at += piece) {
      const last = at + piece >= bytes.length
      this.#socket.write(bytes.subarray(at, at + piece), () => {
        if (last) for (const { taken } of unsent) taken?.()
      })
    }
  }
}
