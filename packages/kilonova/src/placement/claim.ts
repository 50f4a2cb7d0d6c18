/** Claims are exact: under the host's guard the rows are summed, and only what still fits is inserted. */
import type { Kysely } from 'kysely'
import { allocationsOf, insertAllocation, usedOn } from '../db/allocations.ts'
import { atomically } from '../db/database.ts'
import { lockGuards } from '../db/guards.ts'
import type { Tables } from '../db/tables.ts'
import type { Resources } from '../domain/flavor.ts'
import type { HostState } from '../scheduler/host-state.ts'

export type Claimed = { readonly outcome: 'claimed' | 'full' } | { readonly outcome: 'already'; readonly host: string }

/** `already`: the consumer has a claim, made by an earlier try whose answer was lost. */
export const claim = (db: Kysely<Tables>, consumerId: string, projectId: string, host: HostState, wanted: Resources, now: number): Promise<Claimed> =>
  atomically(db, async (tx) => {
    await lockGuards(tx, [`host/${host.host}`])
    const [held] = await allocationsOf(tx, consumerId)
    if (held !== undefined) return { outcome: 'already', host: held }
    const used = await usedOn(tx, host.host)
    const fits = (['vcpus', 'memoryMb', 'diskGb'] as const).every((what) => used[what] + wanted[what] <= host.capacity[what])
    if (!fits) return { outcome: 'full' }
    await insertAllocation(tx, consumerId, host.host, projectId, wanted, now)
    return { outcome: 'claimed' }
  })
