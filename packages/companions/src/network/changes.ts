/**
 * What changed since a moment, for who brings hosts up to date. Kept in memory, so after a restart every place in it is unknown.
 * A write notes the thing it wrote, after its transaction; which ports a rule or a group's member concerns is asked once per answer,
 * so that a hundred new members of a group cost one query.
 */
import { randomUUID } from 'node:crypto'

/** `rules`: of a group; `members`: which addresses a group's ports have. */
export type ChangeKind = 'port' | 'network' | 'router' | 'rules' | 'members'
export type Changed = Readonly<Record<ChangeKind, ReadonlySet<string>>>

export interface ChangeFeed {
  note(kind: ChangeKind, ids: Iterable<string>): void
  /** The place after everything noted so far. */
  now(): string
  /** What was noted after a place; undefined when the place is not known (any more). */
  since(place: string): Changed | undefined
  /** True shortly after something was noted that `since(place)` tells; false after `ms`, when the signal says so, or at the end. */
  wait(place: string, ms: number, signal: AbortSignal): Promise<boolean>
  /** Lets go of all who wait. */
  close(): void
}

interface Entry {
  readonly kind: ChangeKind
  readonly id: string
}

const KEPT = 10_000
/** A batch of changes is told as one. */
const BATCH_MS = 5

export function changeFeed(): ChangeFeed {
  const life = randomUUID()
  let entries: Entry[] = []
  /** How many were forgotten. */
  let before = 0
  let closed = false
  const waiting = new Set<() => void>()

  const now = () => `${life}.${before + entries.length}`
  const entriesAfter = (place: string): readonly Entry[] | undefined => {
    const [of, count = ''] = place.split('.')
    const from = /^\d{1,15}$/.test(count) ? Number(count) - before : -1
    return of === life && from >= 0 && from <= entries.length ? entries.slice(from) : undefined
  }
  const wakeAll = () => {
    for (const wake of waiting) wake()
    waiting.clear()
  }

  return {
    now,
    note: (kind, ids) => {
      for (const id of ids) entries.push({ kind, id })
      if (entries.length > 2 * KEPT) {
        before += entries.length - KEPT
        entries = entries.slice(-KEPT)
      }
      wakeAll()
    },
    since: (place) => {
      const found = entriesAfter(place)
      if (!found) return undefined
      const changed = { port: new Set<string>(), network: new Set<string>(), router: new Set<string>(), rules: new Set<string>(), members: new Set<string>() } // prettier-ignore
      for (const { kind, id } of found) changed[kind].add(id)
      return changed
    },
    wait: (place, ms, signal) =>
      new Promise((done) => {
        if (closed || signal.aborted || ms <= 0) return done(false)
        if (entriesAfter(place)?.length !== 0) return done(true)
        const end = (changed: boolean) => {
          clearTimeout(timer)
          waiting.delete(wake)
          signal.removeEventListener('abort', stop)
          done(changed)
        }
        const stop = () => end(false)
        const wake = () => {
          clearTimeout(timer)
          timer = setTimeout(end, closed ? 0 : BATCH_MS, !closed)
        }
        let timer = setTimeout(end, ms, false)
        waiting.add(wake)
        signal.addEventListener('abort', stop)
      }),
    close: () => {
      closed = true
      wakeAll()
    },
  }
}
