/**
 * The door of a host's verbs. Of each server only the newest epoch is let in; a repeated call gets the kept answer, or joins
 * the first one while that runs; verbs of one server run one after another, those of different servers side by side.
 */
import type { Fence } from '../rpc/compute.ts'
import type { FenceStore } from './fence-store.ts'
import { turns } from './turns.ts'

/** A conductor that lost its lease asked: whoever has it now decides. */
export class StaleEpochError extends Error {
  override readonly name = 'StaleEpochError'
}

export interface Fencing {
  run<T>(verb: string, fence: Fence, work: () => Promise<T>): Promise<T>
  /** Lets nothing of an older epoch in from now on. */
  check(fence: Pick<Fence, 'serverId' | 'epoch'>): void
  isBusy(serverId: string): boolean
  /** When everything that runs now has ended. */
  idle(): Promise<void>
}

/** Repeats come within seconds of the first; older answers make room. */
const KEPT_ANSWERS = 10_000

export function fencing(fences: FenceStore, maxParallel: number): Fencing {
  const { inTurn, isBusy } = turns(maxParallel)
  const answers = new Map<string, Promise<unknown>>()
  const running = new Set<Promise<unknown>>()

  function check({ serverId, epoch }: Pick<Fence, 'serverId' | 'epoch'>): void {
    const highest = fences.highest(serverId)
    if (epoch < highest)
      throw new StaleEpochError(`epoch ${epoch} of server ${serverId} is over: this host has seen ${highest}`)
    if (epoch > highest) fences.raise(serverId, epoch)
  }

  return {
    check,
    isBusy,
    run: async <T>(verb: string, fence: Fence, work: () => Promise<T>) => {
      check(fence)
      const name = `${fence.serverId} ${fence.key} ${verb}`
      const kept = answers.get(name)
      if (kept) return kept as Promise<T>

      // Again at its turn: a newer epoch may have come in while this one waited.
      const checked = async (): Promise<T> => {
        check(fence)
        return work()
      }
      const answer = inTurn(fence.serverId, checked)
      answers.set(name, answer)
      running.add(answer)
      try {
        return await answer
      } catch (error) {
        // What failed is tried again when it is asked for again.
        answers.delete(name)
        throw error
      } finally {
        running.delete(answer)
        for (const oldest of answers.keys()) {
          if (answers.size <= KEPT_ANSWERS) break
          answers.delete(oldest)
        }
      }
    },
    idle: async () => void (await Promise.allSettled(running)),
  }
}
