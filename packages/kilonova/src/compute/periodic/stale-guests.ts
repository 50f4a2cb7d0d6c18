/**
 * `running_deleted_instance_action`: what becomes of guests that are over, because their server was deleted or lives elsewhere. Two sweeps
 * running must say so, for `running_deleted_instance_timeout` at least, and no verb may run on it.
 */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Driver } from '../../virt/driver.ts'

export interface StaleGuests {
  swept(over: readonly string[]): Promise<void>
}
export interface StaleOptions {
  readonly action: 'reap' | 'shutdown' | 'log' | 'noop'
  readonly afterMs: number
}

export function staleGuests(
  driver: Driver,
  isBusy: (serverId: string) => boolean,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  { action, afterMs }: StaleOptions,
): StaleGuests {
  /** When each was first seen to be over. */
  let suspects: ReadonlyMap<string, number> = new Map()
  return {
    swept: async (over) => {
      const now = clock.now()
      const before = suspects
      suspects = new Map(over.filter((id) => !isBusy(id)).map((id) => [id, before.get(id) ?? now]))
      if (action === 'noop') return
      for (const [serverId, since] of suspects) {
        if (!before.has(serverId) || now - since < afterMs) continue
        log.warn(WORDS[action], { server: serverId })
        if (action === 'log') continue
        if (action === 'shutdown') {
          await driver.powerOff(serverId)
          continue
        }
        await driver.destroy(serverId)
        await driver.unplug(serverId)
        await driver.removeFiles(serverId)
      }
    },
  }
}
const WORDS = {
  reap: 'removing a guest whose server is gone',
  shutdown: 'switching off a guest whose server is gone',
  log: 'a guest is here whose server is gone',
} as const
