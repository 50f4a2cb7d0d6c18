/** Removes guests of our installation that belong to no server here. One must be found in two sweeps running, and no verb may run on it. */
import type { Log } from '@kilonova/base/log.ts'
import type { Driver } from '../../virt/driver.ts'

export interface StaleGuests {
  swept(guests: readonly string[], belonging: readonly string[]): Promise<void>
}

export function staleGuests(driver: Driver, isBusy: (serverId: string) => boolean, log: Log): StaleGuests {
  let suspects = new Set<string>()
  return {
    swept: async (guests, belonging) => {
      const owned = new Set(belonging)
      const strangers = guests.filter((serverId) => !owned.has(serverId) && !isBusy(serverId))
      const twice = strangers.filter((serverId) => suspects.has(serverId))
      suspects = new Set(strangers)
      for (const serverId of twice) {
        log.warn('removing a guest that belongs to no server', { server: serverId })
        await driver.destroy(serverId)
        await driver.unplug(serverId)
        await driver.removeFiles(serverId)
      }
    },
  }
}
