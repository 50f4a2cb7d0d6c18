/** Removes guests that are over: their server was deleted, or lives elsewhere. Two sweeps running must say so, and no verb may run on it. */
import type { Log } from '@kilonova/base/log.ts'
import type { Driver } from '../../virt/driver.ts'

export interface StaleGuests {
  swept(over: readonly string[]): Promise<void>
}

export function staleGuests(driver: Driver, isBusy: (serverId: string) => boolean, log: Log): StaleGuests {
  let suspects = new Set<string>()
  return {
    swept: async (over) => {
      const idle = over.filter((serverId) => !isBusy(serverId))
      const twice = idle.filter((serverId) => suspects.has(serverId))
      suspects = new Set(idle)
      for (const serverId of twice) {
        log.warn('removing a guest whose server is gone', { server: serverId })
        await driver.destroy(serverId)
        await driver.unplug(serverId)
        await driver.removeFiles(serverId)
      }
    },
  }
}
