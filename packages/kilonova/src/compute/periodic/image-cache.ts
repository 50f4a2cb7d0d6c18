/** Makes room: removes cached images that nobody has used for long. */
import type { Log } from '@kilonova/base/log.ts'
import type { Driver } from '../../virt/driver.ts'
import type { PeriodicTask } from '@kilonova/base/run-periodic.ts'

export const imageCache = (driver: Driver, minimumAgeSeconds: number, log: Log, every: number): PeriodicTask => ({
  name: 'image-cache',
  every,
  run: async () => {
    const removed = await driver.removeUnusedImages(minimumAgeSeconds)
    if (removed > 0) log.info('removed unused images from the cache', { removed })
  },
})
