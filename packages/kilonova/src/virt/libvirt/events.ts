/** Power changes as libvirt tells them. What happened while we could not listen is found by comparing, after each reconnect. */
import type { Log } from '@kilonova/base/log.ts'
import type { Client } from '@kilonova/libvirt/client.ts'
import type { GuestState } from '../../domain/host.ts'
import type { PowerState } from '../../domain/states.ts'
import type { PowerChange } from '../driver.ts'
import { isOurs } from './names.ts'
import { changeOf } from './power.ts'
import { guestsOf } from './guests.ts'

export interface PowerEvents {
  listen(listener: (change: PowerChange) => void): () => void
  /** Listens on a new connection; after a lost one also tells what changed meanwhile. */
  attach(client: Client, first: boolean): Promise<void>
}

export function powerEvents(installationId: string, log: Log): PowerEvents {
  const listeners = new Set<(change: PowerChange) => void>()
  const known = new Map<string, PowerState>()

  function tell(change: PowerChange): void {
    known.set(change.serverId, change.powerState)
    log.debug('guest changed', { server: change.serverId, event: change.event })
    for (const listener of listeners) listener(change)
  }

  return {
    listen: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    attach: async (client, first) => {
      await client.onDomainEvent('lifecycle', ({ dom, event, detail }) => {
        const change = isOurs(installationId, dom) ? changeOf(event, detail) : undefined
        // A start resumes the guest, too, before it is told as a start.
        if (change && (change.event !== 'resumed' || known.get(dom.uuid) === 'paused'))
          tell({ serverId: dom.uuid, ...change })
      })
      const before = new Map(known)
      for (const { serverId, powerState } of await guestsOf(client, installationId)) {
        if (first) known.set(serverId, powerState)
        // An event of the new connection may have told it already.
        else if (before.get(serverId) !== powerState && known.get(serverId) !== powerState)
          tell({ serverId, powerState, event: EVENT_OF[powerState] })
      }
    },
  }
}

const EVENT_OF: Readonly<Record<GuestState['powerState'], string>> = {
  nostate: 'stopped',
  running: 'started',
  paused: 'paused',
  shutdown: 'stopped',
  crashed: 'crashed',
  suspended: 'suspended',
}
