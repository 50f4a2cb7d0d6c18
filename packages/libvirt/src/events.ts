/** Domain events: which message carries which event, and the subscriptions of one connection. */
import { DomainEventID } from './constants.gen.ts'
import { ConnectionLostError } from './errors.ts'
import { procedureNamed } from './procedures.ts'
import type { Connection, Values } from './connection.ts'
import type { Domain, Messages } from './protocol-types.gen.ts'

/** Event name -> libvirt's event id and the message that carries it. */
export const DOMAIN_EVENTS = {
  lifecycle: { id: DomainEventID.LIFECYCLE, message: 'domainEventCallbackLifecycle' },
  reboot: { id: DomainEventID.REBOOT, message: 'domainEventCallbackReboot' },
  rtcChange: { id: DomainEventID.RTC_CHANGE, message: 'domainEventCallbackRtcChange' },
  watchdog: { id: DomainEventID.WATCHDOG, message: 'domainEventCallbackWatchdog' },
  ioError: { id: DomainEventID.IO_ERROR_REASON, message: 'domainEventCallbackIoErrorReason' },
  controlError: { id: DomainEventID.CONTROL_ERROR, message: 'domainEventCallbackControlError' },
  /** Names the disk by its target (`vda`). */
  blockJob: { id: DomainEventID.BLOCK_JOB_2, message: 'domainEventBlockJob2' },
  balloonChange: { id: DomainEventID.BALLOON_CHANGE, message: 'domainEventCallbackBalloonChange' },
  deviceAdded: { id: DomainEventID.DEVICE_ADDED, message: 'domainEventCallbackDeviceAdded' },
  deviceRemoved: { id: DomainEventID.DEVICE_REMOVED, message: 'domainEventCallbackDeviceRemoved' },
  deviceRemovalFailed: { id: DomainEventID.DEVICE_REMOVAL_FAILED, message: 'domainEventCallbackDeviceRemovalFailed' },
  agentLifecycle: { id: DomainEventID.AGENT_LIFECYCLE, message: 'domainEventCallbackAgentLifecycle' },
  migrationIteration: { id: DomainEventID.MIGRATION_ITERATION, message: 'domainEventCallbackMigrationIteration' },
  jobCompleted: { id: DomainEventID.JOB_COMPLETED, message: 'domainEventCallbackJobCompleted' },
  blockThreshold: { id: DomainEventID.BLOCK_THRESHOLD, message: 'domainEventBlockThreshold' },
  memoryDeviceSizeChange: { id: DomainEventID.MEMORY_DEVICE_SIZE_CHANGE, message: 'domainEventMemoryDeviceSizeChange' },
} as const satisfies Record<string, { id: number; message: keyof Messages }>

export type DomainEventName = keyof typeof DOMAIN_EVENTS
export type DomainEvent<N extends DomainEventName> = Messages[(typeof DOMAIN_EVENTS)[N]['message']]

export interface Subscription {
  readonly callbackId: number
  /** Tells libvirtd too. After it is called, the listener is not called again. */
  close(): Promise<void>
}

export class DomainEvents {
  readonly #connection: Connection
  readonly #listeners = new Map<number, { message: string; listener: (event: never) => void }>()

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Without `domain`: of every domain. */
  async subscribe<N extends DomainEventName>(
    name: N,
    listener: (event: DomainEvent<N>) => void,
    domain?: Domain,
  ): Promise<Subscription> {
    const { id, message } = DOMAIN_EVENTS[name]
    const register = procedureNamed('connectDomainEventCallbackRegisterAny')
    const { callbackID } = await this.#connection.call(register, { eventID: id, dom: domain }, (ret) => {
      // At once: the first event may be in the packet after this answer.
      this.#listeners.set(Number(ret['callbackID']), { message, listener })
    })
    const callbackId = Number(callbackID)
    return {
      callbackId,
      close: async () => {
        if (!this.#listeners.delete(callbackId) || this.#connection.reason) return
        const deregister = procedureNamed('connectDomainEventCallbackDeregisterAny')
        await this.#connection.call(deregister, { callbackID: callbackId }).catch((error: unknown) => {
          // With the connection the registration is gone too.
          if (!(error instanceof ConnectionLostError)) throw error
        })
      },
    }
  }

  /** An exception in a listener is the listener's: it is thrown outside, and the connection goes on. */
  deliver(message: string, event: Values): void {
    const entry = this.#listeners.get(Number(event['callbackID']))
    if (entry?.message !== message) return
    try {
      entry.listener(event as never)
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }
}
