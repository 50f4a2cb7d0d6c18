/**
 * Deletes for good what was soft-deleted long enough ago. Every conductor may look: a delete is admitted for a server that is still
 * soft-deleted and idle, so one that was restored meanwhile stays, and one that another conductor reclaims is left to it.
 */
import type { Log } from '@kilonova/base/log.ts'
import { newRequestId } from '@kilonova/base/context.ts'
import { admit, type Admission } from '../actions/admit.ts'
import type { ServerAction } from '../actions/define.ts'
import { deleteServer } from '../actions/delete.ts'
import { softDeletedBy } from '../db/server-lookups.ts'
import { isNovaError } from '../domain/errors.ts'

export interface ReclaimReach extends Admission {
  readonly log: Log
}
export interface ReclaimOptions {
  /** `reclaim_instance_interval`; 0: there is nothing to do. */
  readonly reclaimAfterMs: number
  /** Default a minute, as upstream. */
  readonly lookMs?: number
}

const reclaim: ServerAction = { ...deleteServer, when: { vmState: ['soft-delete'] } }
const AT_ONCE = 100
const LOOK_MS = 60_000

/** One look; answers how many deletes it began. */
export async function reclaimDue(reach: ReclaimReach, afterMs: number): Promise<number> {
  let begun = 0
  for (const id of await softDeletedBy(reach.db, reach.clock.now() - afterMs, AT_ONCE)) {
    const nobody = { requestId: newRequestId(), userId: '', projectId: '', isAdmin: true }
    try {
      await admit(reach, nobody, reclaim, id, null)
      begun++
      reach.log.info('soft-deleted server reclaimed', { server: id, requestId: nobody.requestId })
    } catch (error) {
      if (!isNovaError(error, 'InstanceInvalidState') && !isNovaError(error, 'InstanceNotFound')) throw error
    }
  }
  return begun
}

export function startReclaim(
  reach: ReclaimReach,
  { reclaimAfterMs, lookMs = Math.min(LOOK_MS, reclaimAfterMs) }: ReclaimOptions,
): { close(): Promise<void> } {
  let looking: Promise<unknown> | undefined
  const look = (): void => {
    looking ??= reclaimDue(reach, reclaimAfterMs)
      .catch((error: unknown) => reach.log.error('soft-deleted servers not reclaimed', { error }))
      .finally(() => (looking = undefined))
  }
  const timer = reclaimAfterMs > 0 ? setInterval(look, lookMs) : undefined
  return {
    close: async () => {
      clearInterval(timer)
      await looking
    },
  }
}
