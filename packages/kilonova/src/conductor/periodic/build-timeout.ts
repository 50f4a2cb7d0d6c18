/** `instance_build_timeout`: gives up servers that are being made for too long. Their task undoes what it made, and ends in ERROR. */
import type { PeriodicTask } from '@kilonova/base/run-periodic.ts'
import { cancelRunning } from '../../actions/cancel.ts'
import { buildingSince } from '../../db/server-lookups.ts'
import { isNovaError } from '../../domain/errors.ts'
import { nobody, type PeriodicReach } from './reach.ts'

const BY = 'instance_build_timeout'

/** Answers how many it gives up. */
export async function giveUpBuilds(reach: PeriodicReach, timeoutMs: number): Promise<number> {
  let begun = 0
  for (const id of await buildingSince(reach.db, reach.clock.now() - timeoutMs)) {
    const caller = nobody()
    try {
      if (!(await cancelRunning(reach, caller, id, BY))) continue
      begun++
      reach.log.warn('building took too long', { server: id, requestId: caller.requestId })
    } catch (error) {
      // It ended, or is being deleted, since it was looked for.
      if (!isNovaError(error) || (error.kind !== 'conflict' && error.kind !== 'notFound')) throw error
    }
  }
  return begun
}

export const buildTimeout = (reach: PeriodicReach, timeoutMs: number, every = 60_000): PeriodicTask => ({
  name: 'build-timeout',
  every,
  run: async () => void (await giveUpBuilds(reach, timeoutMs)),
})
