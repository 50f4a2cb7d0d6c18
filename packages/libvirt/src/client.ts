/** The libvirt client: `connect()`, then libvirt's calls under their own names. One client is one connection; it does not reconnect by itself. */
import { EventEmitter } from 'node:events'
import { Connection, type Values } from './connection.ts'
import { AuthRefusedError, ConnectionLostError } from './errors.ts'
import { DomainEvents, type DomainEvent, type DomainEventName, type Subscription } from './events.ts'
import type { KeepaliveOptions } from './keepalive.ts'
import { allProcedures, procedureNamed, type Procedure } from './procedures.ts'
import type { Domain, Methods, Procedures, StreamProcedure } from './protocol-types.gen.ts'
import { openSocket, type Target } from './socket.ts'
import type { LibvirtStream } from './stream.ts'

export interface ConnectOptions {
  /** The hypervisor connection libvirtd opens for us. Default `qemu:///system`. */
  readonly uri?: string
  readonly readOnly?: boolean
  /** Time for the socket, the greeting and the opening together. Default 10 s. */
  readonly timeoutMs?: number
  /** Default 5 s and 5 pings, as libvirt's own client. `false`: answer pings only. */
  readonly keepalive?: Partial<KeepaliveOptions> | false
  /**
   * Calls sent and not yet answered; more wait here. Default 4: libvirtd stops reading, pings included, when
   * `max_client_requests` (5) calls are under way. Raise both for more parallel work.
   */
  readonly maxInFlight?: number
  /** Calls waiting here; one more is refused with `QueueFullError`. Default 1024. */
  readonly maxQueued?: number
  /** What a stream keeps for a slow reader before the connection stops reading. Default 1 MiB. */
  readonly streamBufferBytes?: number
}

type CallName = Exclude<keyof Procedures, StreamProcedure>
type Arguments<P extends keyof Procedures> = Procedures[P]['args'] extends void ? [] : [args: Procedures[P]['args']]

/** Feature number of `connectSupportsFeature`; asking for it also starts the daemon's own pings. */
const FEATURE_KEEPALIVE = 10
/** How long a goodbye may take; libvirtd forgets us all the same when the socket closes. */
const GOODBYE_MS = 1000
const AUTH_NAMES = ['none', 'SASL', 'polkit']
const AUTH_NONE = 0
const OPEN_READ_ONLY = 1

/** libvirt's calls with positional arguments (`domainLookupByName(name)`), see `Methods`. */
export interface Client extends Methods {}

export class Client extends EventEmitter<{ close: [reason: ConnectionLostError] }> {
  readonly #connection: Connection
  readonly #events: DomainEvents

  /** Use `connect()`: the connection must be open already. */
  constructor(connection: Connection) {
    super()
    this.#connection = connection
    this.#events = new DomainEvents(connection)
    connection.listen({
      message: (procedure, body) => this.#events.deliver(procedure.name, body),
      closed: (reason) => this.emit('close', reason),
    })
  }

  /** Why the connection is over; `undefined` while it is open. */
  get closed(): ConnectionLostError | undefined {
    return this.#connection.reason
  }

  /** Any call by name, with arguments and answer by name. */
  async call<P extends CallName>(procedure: P, ...[args]: Arguments<P>): Promise<Procedures[P]['ret']> {
    const known = procedureNamed(procedure)
    if (known.kind !== 'call') throw new TypeError(`${procedure} is no plain call but ${known.kind}`)
    return (await this.#connection.call(known, args ?? {})) as Procedures[P]['ret']
  }

  /** A call that opens a stream (`domainOpenConsole`, `domainScreenshot`, `storageVolUpload`, ...). */
  async openStream<P extends StreamProcedure>(
    procedure: P,
    ...[args]: Arguments<P>
  ): Promise<{ readonly stream: LibvirtStream; readonly ret: Procedures[P]['ret'] }> {
    const known = procedureNamed(procedure)
    if (known.kind !== 'download' && known.kind !== 'upload') throw new TypeError(`${procedure} opens no stream`)
    const { stream, ret } = await this.#connection.openStream(known, args ?? {})
    return { stream, ret: ret as Procedures[P]['ret'] }
  }

  /** Listens to an event of one domain, or of all. */
  onDomainEvent<N extends DomainEventName>(
    name: N,
    listener: (event: DomainEvent<N>) => void,
    domain?: Domain,
  ): Promise<Subscription> {
    return this.#events.subscribe(name, listener, domain)
  }

  /** Says goodbye and closes, at once when calls are under way: they are rejected with `ConnectionLostError`. */
  async close(): Promise<void> {
    if (!this.#connection.busy) await this.#goodbye()
    this.destroy()
  }

  async #goodbye(): Promise<void> {
    const timer = setTimeout(() => this.destroy(), GOODBYE_MS)
    await this.#connection.call(procedureNamed('connectClose'), {}).catch(() => {})
    clearTimeout(timer)
  }

  /** Closes at once. */
  destroy(): void {
    this.#connection.close(new ConnectionLostError('closed by us'))
  }
}

/** Gives the prototype one method per call: positional arguments in, the only field (or the list of a counted list) out. */
function defineMethod(procedure: Procedure): void {
  Object.defineProperty(Client.prototype, procedure.name, {
    value: async function (this: Client, ...values: readonly unknown[]): Promise<unknown> {
      const names = procedure.args.fields.filter((name) => name !== 'needResults')
      if (values.length > names.length) throw new TypeError(`${procedure.name} takes ${names.length} arguments`)
      const args = Object.fromEntries(values.map((value, index) => [names[index], value]))
      const ret = (await this.call(procedure.name as 'connectOpen', args)) as unknown as Values | undefined
      const [first, second, third] = procedure.ret.fields
      if (!ret || first === undefined) return undefined
      const alone = second === undefined || (second === 'ret' && third === undefined && Array.isArray(ret[first]))
      return alone ? ret[first] : ret
    },
    writable: true,
    configurable: true,
  })
}
for (const procedure of allProcedures) if (procedure.kind === 'call') defineMethod(procedure)

/** @throws AuthRefusedError, LibvirtError (the uri cannot be opened), ConnectionLostError (no daemon, or no answer in time) */
export async function connect(target: Target, options: ConnectOptions = {}): Promise<Client> {
  const { timeoutMs = 10_000, maxInFlight = 4, maxQueued = 1024, streamBufferBytes = 1 << 20 } = options
  const deadline = AbortSignal.timeout(timeoutMs)
  const socket = await openSocket(target, deadline)
  const connection = new Connection(socket, { maxInFlight, maxQueued, streamBufferBytes })
  const late = (): void => connection.close(new ConnectionLostError(`libvirtd did not answer within ${timeoutMs} ms`))
  deadline.addEventListener('abort', late)
  try {
    await greet(connection, options)
  } catch (error) {
    connection.close(new ConnectionLostError('closed by us'))
    throw error
  } finally {
    deadline.removeEventListener('abort', late)
  }
  return new Client(connection)
}

async function greet(
  connection: Connection,
  { uri = 'qemu:///system', readOnly = false, keepalive = {} }: ConnectOptions,
): Promise<void> {
  const { types } = (await connection.call(procedureNamed('authList'), {})) as Procedures['authList']['ret']
  if (!types.includes(AUTH_NONE)) {
    const wanted = types.map((type) => AUTH_NAMES[type] ?? `type ${type}`).join(' or ')
    throw new AuthRefusedError(
      `libvirtd wants ${wanted} authentication; only "none" is spoken (auth_unix_rw, auth_tcp in libvirtd.conf)`,
    )
  }
  await connection.call(procedureNamed('connectOpen'), { name: uri, flags: readOnly ? OPEN_READ_ONLY : 0 })
  if (keepalive === false) return
  const { supported } = await connection.call(procedureNamed('connectSupportsFeature'), { feature: FEATURE_KEEPALIVE })
  if (supported) connection.startKeepalive({ intervalMs: 5000, count: 5, ...keepalive })
}
