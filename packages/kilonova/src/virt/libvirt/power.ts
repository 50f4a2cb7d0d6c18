/** What libvirt's states and lifecycle events mean for the power state of a server. */
import {
  DomainEventStoppedDetailType,
  DomainEventSuspendedDetailType,
  DomainEventType,
  DomainState,
} from '@kilonova/libvirt/constants.gen.ts'
import type { PowerState } from '../../domain/states.ts'

/** SHUTDOWN is a guest that is going down: it still runs. */
const STATES: ReadonlyMap<number, PowerState> = new Map<number, PowerState>([
  [DomainState.NOSTATE, 'nostate'],
  [DomainState.RUNNING, 'running'],
  [DomainState.BLOCKED, 'running'],
  [DomainState.PAUSED, 'paused'],
  [DomainState.SHUTDOWN, 'running'],
  [DomainState.SHUTOFF, 'shutdown'],
  [DomainState.CRASHED, 'crashed'],
  [DomainState.PMSUSPENDED, 'suspended'],
])
export const powerStateOf = (state: number): PowerState => STATES.get(state) ?? 'nostate'

export interface Change {
  readonly powerState: PowerState
  readonly event: string
}

/** Undefined: the event says nothing of the power state. */
export function changeOf(event: number, detail: number): Change | undefined {
  switch (event) {
    case DomainEventType.STARTED:
      return { powerState: 'running', event: 'started' }
    case DomainEventType.RESUMED:
      return { powerState: 'running', event: 'resumed' }
    case DomainEventType.SUSPENDED:
      // A migration's pause ends by itself.
      return detail === DomainEventSuspendedDetailType.MIGRATED ? undefined : { powerState: 'paused', event: 'paused' }
    case DomainEventType.STOPPED:
      if (detail === DomainEventStoppedDetailType.SHUTDOWN) return { powerState: 'shutdown', event: 'shutdown' }
      if (detail === DomainEventStoppedDetailType.CRASHED || detail === DomainEventStoppedDetailType.FAILED)
        return { powerState: 'crashed', event: 'crashed' }
      if (detail === DomainEventStoppedDetailType.MIGRATED) return undefined
      return { powerState: 'shutdown', event: 'stopped' }
    case DomainEventType.PMSUSPENDED:
      return { powerState: 'suspended', event: 'suspended' }
    case DomainEventType.CRASHED:
      return { powerState: 'crashed', event: 'crashed' }
    default:
      return undefined
  }
}
