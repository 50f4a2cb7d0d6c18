/** Claims are exact: under the host's guard the rows are summed, and only what still fits is inserted. */
import type { Kysely, Transaction } from 'kysely'
import { allocationsOf, deleteAllocations, insertAllocation, usedOn } from '../db/allocations.ts'
import { atomically } from '../db/database.ts'
import { lockGuards } from '../db/guards.ts'
import { holds } from '../db/tasks.ts'
import type { Tables } from '../db/tables.ts'
import type { Resources } from '../domain/flavor.ts'
import type { HostState } from '../scheduler/host-state.ts'

export type Claimed = { readonly outcome: 'claimed' | 'full' } | { readonly outcome: 'already'; readonly host: string }

/** The task that asked is over, or its conductor lost it: a claim now would be nobody's. */
export class StaleClaimError extends Error {
  override readonly name = 'StaleClaimError'
}

export interface Asker {
  readonly id: string
  readonly epoch: number
}

async function stillAsking(tx: Transaction<Tables>, asker: Asker): Promise<void> {
  if (!(await holds(tx, asker.id, asker.epoch))) throw new StaleClaimError(`task ${asker.id} does not ask any more`)
}

export const release = (db: Kysely<Tables>, asker: Asker, consumerId: string): Promise<void> =>
  atomically(db, async (tx) => {
    await stillAsking(tx, asker)
    await deleteAllocations(tx, consumerId)
  })

/** `already`: the consumer has a claim, made by an earlier try whose answer was lost. */
export const claim = (
  db: Kysely<Tables>,
  asker: Asker,
  consumerId: string,
  projectId: string,
  host: HostState,
  wanted: Resources,
  now: number,
): Promise<Claimed> =>
  atomically(db, async (tx) => {
    // This also keeps a repeated request of the same task from claiming on another host at the same time.
    await stillAsking(tx, asker)
    await lockGuards(tx, [`host/${host.host}`])
    const [held] = await allocationsOf(tx, consumerId)
    if (held !== undefined) return { outcome: 'already', host: held }
    const used = await usedOn(tx, host.host)
    const fits = (['vcpus', 'memoryMb', 'diskGb'] as const).every(
      (what) => used[what] + wanted[what] <= host.capacity[what],
    )
    if (!fits) return { outcome: 'full' }
    await insertAllocation(tx, consumerId, host.host, projectId, wanted, now)
    return { outcome: 'claimed' }
  })
