/** `shelved_offload_time`: takes shelved servers off their hosts when they were shelved for long. */
import type { PeriodicTask } from '@kilonova/base/run-periodic.ts'
import { shelveOffload } from '../../actions/shelve.ts'
import { idleServers } from '../../db/server-lookups.ts'
import { nobody, tryAdmit, type PeriodicReach } from './reach.ts'

/** Answers how many it offloads. */
export async function offloadDue(reach: PeriodicReach, afterMs: number): Promise<number> {
  let begun = 0
  for (const { id, shelved } of await idleServers(reach.db, 'shelved')) {
    if (shelved === null || shelved.at > reach.clock.now() - afterMs) continue
    const caller = nobody()
    if ((await tryAdmit(reach, caller, shelveOffload, id, null)) !== undefined) continue
    begun++
    reach.log.info('shelved server leaves its host', { server: id, requestId: caller.requestId })
  }
  return begun
}

export const shelvedOffload = (reach: PeriodicReach, afterMs: number, every: number): PeriodicTask => ({
  name: 'shelved-offload',
  every,
  run: async () => void (await offloadDue(reach, afterMs)),
})
