/** Claims are exact: under the guards of host and server group the rows are summed, and only what still fits is inserted. */
import type { Kysely, Transaction } from 'kysely'
import { allocationsOf, deleteAllocations, insertAllocation, usedOn } from '../db/allocations.ts'
import { atomically } from '../db/database.ts'
import { lockGuards } from '../db/guards.ts'
import { findPlacement, keepPlacement, placementGuard, reservationOf, serversToPlace } from '../db/placements.ts'
import { groupGuard } from '../db/server-groups.ts'
import { holds } from '../db/tasks.ts'
import type { Tables } from '../db/tables.ts'
import type { Resources } from '../domain/flavor.ts'
import type { GroupState, HostState } from '../scheduler/host-state.ts'
import { joined } from '../scheduler/select-several.ts'
import { groupAllows, groupState } from './group-state.ts'

export type Claimed = { readonly outcome: 'claimed' | 'full' } | { readonly outcome: 'already'; readonly host: string }

/** The task that asked is over, or its conductor lost it: a claim now would be nobody's. */
export class StaleClaimError extends Error {
  override readonly name = 'StaleClaimError'
}

export interface Asker {
  readonly id: string
  readonly epoch: number
}

/** What each server of a claim takes, and whose it is. */
export interface Wanted {
  readonly projectId: string
  readonly groupId: string | null
  readonly resources: Resources
}
export interface Choice {
  readonly consumerId: string
  readonly host: HostState
}

type Tx = Transaction<Tables>

async function stillAsking(tx: Tx, asker: Asker): Promise<void> {
  if (!(await holds(tx, asker.id, asker.epoch))) throw new StaleClaimError(`task ${asker.id} does not ask any more`)
}

const guardsOf = ({ groupId }: Wanted, choices: readonly Choice[]): readonly string[] => [
  ...choices.map(({ host }) => `host/${host.host}`),
  ...(groupId === null ? [] : [groupGuard(groupId)]),
]

/** False: something does not fit any more, and nothing was written. The guards are held. */
async function take(tx: Tx, { projectId, groupId, resources }: Wanted, choices: readonly Choice[], now: number) {
  const byHost = Map.groupBy(choices, ({ host }) => host.host)
  for (const [name, [first, ...more]] of byHost) {
    if (!first) continue
    const used = await usedOn(tx, name)
    const fits = (['vcpus', 'memoryMb', 'diskGb'] as const).every(
      (what) => used[what] + (1 + more.length) * resources[what] <= first.host.capacity[what],
    )
    if (!fits) return false
  }
  const consumers = choices.map(({ consumerId }) => consumerId)
  let group: GroupState | undefined = await groupState(tx, groupId, consumers)
  for (const { host } of choices) {
    if (!groupAllows(group, host)) return false
    group = joined(group, host.host)
  }
  for (const { consumerId, host } of choices)
    await insertAllocation(tx, consumerId, host.host, projectId, resources, now)
  return true
}

/** `already`: the consumer has a claim, made by an earlier try whose answer was lost. */
export const claim = (
  db: Kysely<Tables>,
  asker: Asker,
  wanted: Wanted,
  choice: Choice,
  now: number,
): Promise<Claimed> =>
  atomically(db, async (tx) => {
    // This also keeps a repeated request of the same task from claiming on another host at the same time.
    await stillAsking(tx, asker)
    await lockGuards(tx, guardsOf(wanted, [choice]))
    const [held] = await allocationsOf(tx, choice.consumerId)
    if (held !== undefined) return { outcome: 'already', host: held }
    return { outcome: (await take(tx, wanted, [choice], now)) ? 'claimed' : 'full' }
  })

/**
 * All servers of one request, or none. A server that failed or was cancelled meanwhile is left out: its undo or its delete gives back
 * what it has, under the same guard. `decided`: somebody else was first.
 */
export const claimTogether = (
  db: Kysely<Tables>,
  asker: Asker,
  reservationId: string,
  wanted: Wanted,
  choices: readonly Choice[],
  now: number,
): Promise<'claimed' | 'full' | 'decided'> =>
  atomically(db, async (tx) => {
    await stillAsking(tx, asker)
    await lockGuards(tx, [placementGuard(reservationId), ...guardsOf(wanted, choices)])
    if (await findPlacement(tx, reservationId)) return 'decided'
    const waiting = new Set(await serversToPlace(tx, reservationId))
    const theirs = choices.filter(({ consumerId }) => waiting.has(consumerId))
    if (!(await take(tx, wanted, theirs, now))) return 'full'
    await keepPlacement(tx, reservationId, null, now)
    return 'claimed'
  })

/** None of the request's servers is placed, now or later. Without effect when something was decided already. */
export const refuseTogether = (
  db: Kysely<Tables>,
  asker: Asker,
  reservationId: string,
  explanation: string,
  now: number,
): Promise<void> =>
  atomically(db, async (tx) => {
    await stillAsking(tx, asker)
    await lockGuards(tx, [placementGuard(reservationId)])
    if (!(await findPlacement(tx, reservationId))) await keepPlacement(tx, reservationId, explanation, now)
  })

export const release = (db: Kysely<Tables>, asker: Asker, consumerId: string): Promise<void> =>
  atomically(db, async (tx) => {
    await stillAsking(tx, asker)
    const reservation = await reservationOf(tx, consumerId)
    if (reservation !== undefined) await lockGuards(tx, [placementGuard(reservation)])
    await deleteAllocations(tx, consumerId)
  })
