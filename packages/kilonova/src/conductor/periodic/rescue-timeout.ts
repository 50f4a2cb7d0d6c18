/** `rescue_timeout`: unrescues servers that were in rescue for long. */
import type { PeriodicTask } from '@kilonova/base/run-periodic.ts'
import { unrescue } from '../../actions/rescue.ts'
import { idleServers } from '../../db/server-lookups.ts'
import { nobody, tryAdmit, type PeriodicReach } from './reach.ts'

/** Answers how many it unrescues. */
export async function unrescueDue(reach: PeriodicReach, timeoutMs: number): Promise<number> {
  let begun = 0
  for (const { id, rescue } of await idleServers(reach.db, 'rescued')) {
    if (rescue === null || rescue.at > reach.clock.now() - timeoutMs) continue
    const caller = nobody()
    if ((await tryAdmit(reach, caller, unrescue, id, null)) !== undefined) continue
    begun++
    reach.log.info('rescue timed out', { server: id, requestId: caller.requestId })
  }
  return begun
}

export const rescueTimeout = (reach: PeriodicReach, timeoutMs: number, every = 60_000): PeriodicTask => ({
  name: 'rescue-timeout',
  every,
  run: async () => void (await unrescueDue(reach, timeoutMs)),
})
