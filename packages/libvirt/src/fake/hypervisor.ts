/** The fake's domains: what libvirt would know of them, and the transitions, each of which tells its event. */
import { randomUUID } from 'node:crypto'
import {
  ConnectDomainEventAgentLifecycleReason as AgentReason,
  ConnectDomainEventAgentLifecycleState as AgentState,
  DomainEventDefinedDetailType as Defined,
  DomainEventStartedDetailType as Started,
  DomainEventStoppedDetailType as Stopped,
  DomainEventType,
  DomainPausedReason,
  DomainRunningReason,
  DomainShutoffReason,
  DomainState,
  ErrorNumber as ERR,
} from '../constants.gen.ts'
import type { DomainEvent, DomainEventName } from '../events.ts'
import type { Domain } from '../protocol-types.gen.ts'
import type { TypedParam } from '../typed-params.ts'
import { hasAgentChannel, readDomainXml, withUuid } from './domain-xml.ts'
import { fail } from './fail.ts'

export interface FakeDomain {
  readonly name: string
  readonly uuid: string
  /** -1 while it does not run. */
  id: number
  state: number
  reason: number
  /** What it is now, and what it will be at the next start; `undefined`: transient. */
  xml: string
  persistentXml: string | undefined
  managedSave: boolean
  autostart: boolean
  /** The guest has its agent's channel open; of one that was saved: it had. */
  agentConnected: boolean
  memoryParameters: TypedParam[]
  /** Non-maskable interrupts that it got. */
  nmis: number
  /** As its agent was told, by user. */
  readonly passwords: Map<string, string>
  /** As its agent was told, in nanoseconds. */
  readonly times: bigint[]
  readonly memoryKib: bigint
  readonly vcpus: number
}

/** How a guest takes a shutdown request. */
export type GuestManners = 'obeys' | 'ignores'

type Notify = <N extends DomainEventName>(
  name: N,
  dom: Domain,
  event: Omit<DomainEvent<N>, 'callbackID' | 'dom'>,
) => void

export const handleOf = ({ name, uuid, id }: FakeDomain): Domain => ({ name, uuid, id })
export const isActive = ({ id }: FakeDomain): boolean => id >= 0

export class Hypervisor {
  readonly domains = new Map<string, FakeDomain>()
  readonly volumes = new Map<string, Buffer>()
  readonly pools = new Map<string, string>()
  guests: GuestManners = 'obeys'
  readonly #listeners = new Set<Notify>()
  #lastId = 0

  /** Gives a function that ends it. */
  listen(notify: Notify): () => void {
    this.#listeners.add(notify)
    return () => this.#listeners.delete(notify)
  }

  notify: Notify = (name, dom, event) => {
    for (const listener of this.#listeners) listener(name, dom, event)
  }

  /** Gives a function that ends the waiting. */
  whenStopped(uuid: string, run: () => void): () => void {
    const unlisten = this.listen((name, dom, event) => {
      if (name === 'lifecycle' && dom.uuid === uuid && 'event' in event && event.event === DomainEventType.STOPPED)
        run()
    })
    return unlisten
  }

  #lifecycle(domain: FakeDomain, event: number, detail: number): void {
    this.notify('lifecycle', handleOf(domain), { event, detail })
  }

  find(by: { readonly uuid?: string; readonly name?: string; readonly id?: number }): FakeDomain {
    const { uuid, name, id } = by
    const found =
      uuid !== undefined
        ? this.domains.get(uuid)
        : [...this.domains.values()].find((domain) =>
            name !== undefined ? domain.name === name : id !== undefined && id >= 0 && domain.id === id,
          )
    return (
      found ??
      fail(
        ERR.NO_DOMAIN,
        `Domain not found: no domain with matching ${Object.entries(by)
          .map(([key, value]) => `${key} '${value}'`)
          .join()}`,
      )
    )
  }

  define(xml: string): FakeDomain {
    const domain = this.#put(xml)
    const known = domain.persistentXml !== undefined
    domain.persistentXml = withUuid(xml, domain.uuid)
    if (!isActive(domain)) domain.xml = domain.persistentXml
    this.#lifecycle(domain, DomainEventType.DEFINED, known ? Defined.UPDATED : Defined.ADDED)
    return domain
  }

  /** A transient domain: gone when it stops. */
  createTransient(xml: string, paused: boolean): FakeDomain {
    const domain = this.#put(xml)
    if (isActive(domain)) fail(ERR.OPERATION_FAILED, `operation failed: domain '${domain.name}' already exists`)
    this.start(domain, paused)
    return domain
  }

  #put(xml: string): FakeDomain {
    const { name, uuid, memoryKib, vcpus } = readDomainXml(xml)
    const namesake = [...this.domains.values()].find((domain) => domain.name === name)
    if (namesake && uuid && namesake.uuid !== uuid) {
      fail(ERR.OPERATION_FAILED, `operation failed: domain '${name}' already exists with uuid ${namesake.uuid}`)
    }
    const other = uuid === undefined ? undefined : this.domains.get(uuid)
    if (other && other.name !== name) {
      fail(ERR.OPERATION_FAILED, `operation failed: domain '${other.name}' is already defined with uuid ${other.uuid}`)
    }
    if (namesake) return namesake
    const made: FakeDomain = {
      name,
      uuid: uuid ?? randomUUID(),
      id: -1,
      state: DomainState.SHUTOFF,
      reason: DomainShutoffReason.UNKNOWN,
      xml,
      persistentXml: undefined,
      managedSave: false,
      autostart: false,
      agentConnected: false,
      memoryParameters: [],
      nmis: 0,
      passwords: new Map(),
      times: [],
      memoryKib,
      vcpus,
    }
    made.xml = withUuid(xml, made.uuid)
    this.domains.set(made.uuid, made)
    return made
  }

  start(domain: FakeDomain, paused = false): void {
    if (isActive(domain)) fail(ERR.OPERATION_INVALID, 'Requested operation is not valid: domain is already running')
    domain.id = ++this.#lastId
    const restored = domain.managedSave
    domain.managedSave = false
    this.#set(domain, DomainState.RUNNING, restored ? DomainRunningReason.RESTORED : DomainRunningReason.BOOTED)
    const agentToo = restored && domain.agentConnected
    if (hasAgentChannel(domain.xml)) this.#agent(domain, false, AgentReason.DOMAIN_STARTED)
    this.#lifecycle(domain, DomainEventType.STARTED, restored ? Started.RESTORED : Started.BOOTED)
    if (agentToo) this.setAgent(domain, true)
    if (paused) this.suspend(domain)
  }

  suspend(domain: FakeDomain): void {
    this.needActive(domain)
    if (domain.state === DomainState.PAUSED) return
    this.#set(domain, DomainState.PAUSED, DomainPausedReason.USER)
    this.#lifecycle(domain, DomainEventType.SUSPENDED, 0)
  }

  resume(domain: FakeDomain): void {
    this.needActive(domain)
    if (domain.state === DomainState.RUNNING) return
    this.#set(domain, DomainState.RUNNING, DomainRunningReason.UNPAUSED)
    this.#lifecycle(domain, DomainEventType.RESUMED, 0)
  }

  shutdown(domain: FakeDomain): void {
    this.needActive(domain)
    if (this.guests === 'obeys') this.#stop(domain, DomainShutoffReason.SHUTDOWN, Stopped.SHUTDOWN)
  }

  reboot(domain: FakeDomain): void {
    this.needActive(domain)
    if (this.guests === 'obeys') this.reset(domain)
  }

  reset(domain: FakeDomain): void {
    this.needActive(domain)
    this.notify('reboot', handleOf(domain), {})
    if (domain.agentConnected) this.setAgent(domain, false)
  }

  /** The guest's agent starts or ends, which libvirt sees by the guest opening or closing the agent's channel. */
  setAgent(domain: FakeDomain, connected: boolean): void {
    this.needActive(domain)
    if (!hasAgentChannel(domain.xml)) throw new Error(`${domain.name} has no channel for an agent`)
    if (domain.agentConnected !== connected) this.#agent(domain, connected, AgentReason.CHANNEL)
  }

  #agent(domain: FakeDomain, connected: boolean, reason: number): void {
    domain.agentConnected = connected
    const state = connected ? AgentState.CONNECTED : AgentState.DISCONNECTED
    this.notify('agentLifecycle', handleOf(domain), { state, reason })
  }

  destroy(domain: FakeDomain): void {
    this.needActive(domain)
    this.#stop(domain, DomainShutoffReason.DESTROYED, Stopped.DESTROYED)
  }

  crash(domain: FakeDomain): void {
    this.needActive(domain)
    this.#stop(domain, DomainShutoffReason.CRASHED, Stopped.CRASHED)
  }

  managedSave(domain: FakeDomain): void {
    this.needActive(domain)
    if (domain.persistentXml === undefined)
      fail(ERR.OPERATION_INVALID, 'Requested operation is not valid: cannot do managed save for transient domain')
    domain.managedSave = true
    this.#stop(domain, DomainShutoffReason.SAVED, Stopped.SAVED)
  }

  undefine(domain: FakeDomain, dropManagedSave: boolean): void {
    if (domain.persistentXml === undefined)
      fail(ERR.OPERATION_INVALID, 'Requested operation is not valid: cannot undefine transient domain')
    if (domain.managedSave && !dropManagedSave) {
      fail(
        ERR.OPERATION_INVALID,
        'Requested operation is not valid: Refusing to undefine while domain managed save image exists',
      )
    }
    domain.persistentXml = undefined
    domain.managedSave = false
    if (!isActive(domain)) this.domains.delete(domain.uuid)
    this.#lifecycle(domain, DomainEventType.UNDEFINED, 0)
  }

  needActive(domain: FakeDomain): void {
    if (!isActive(domain)) fail(ERR.OPERATION_INVALID, 'Requested operation is not valid: domain is not running')
  }

  #stop(domain: FakeDomain, reason: number, detail: number): void {
    domain.id = -1
    this.#set(domain, DomainState.SHUTOFF, reason)
    if (domain.persistentXml === undefined) this.domains.delete(domain.uuid)
    else domain.xml = domain.persistentXml
    this.#lifecycle(domain, DomainEventType.STOPPED, detail)
  }

  #set(domain: FakeDomain, state: number, reason: number): void {
    domain.state = state
    domain.reason = reason
  }
}
