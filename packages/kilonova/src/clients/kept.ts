/** Answers kept for a short while and asked for once: who comes meanwhile shares the question. Bounded; failures are not kept. */
import type { Clock } from '@kilonova/base/clock.ts'

export interface Kept<T> {
  /** The kept answer, or `ask`'s. */
  get(key: string, ask: () => Promise<T>): Promise<T>
  forget(key: string): void
  /** Forgets the answers that fit, and every one that is still being asked for: it may come from before. */
  forgetWhere(fits: (answer: T) => boolean): void
}

interface Entry<T> {
  readonly answer: Promise<T>
  /** Once it came. */
  came?: { readonly answer: T; readonly until: number }
}

/** `ageMs`: how long an answer is good, as a number or by the answer. It counts from when the answer came. */
export function kept<T>(clock: Clock, ageMs: number | ((answer: T) => number), maxEntries: number): Kept<T> {
  const entries = new Map<string, Entry<T>>()
  const age = typeof ageMs === 'number' ? () => ageMs : ageMs
  return {
    get: (key, ask) => {
      const known = entries.get(key)
      if (known && clock.now() < (known.came?.until ?? Infinity)) return known.answer
      const entry: Entry<T> = { answer: ask() }
      entries.delete(key)
      entries.set(key, entry)
      if (entries.size > maxEntries)
        for (const oldest of entries.keys()) {
          entries.delete(oldest)
          break
        }
      entry.answer.then(
        (answer) => (entry.came = { answer, until: clock.now() + age(answer) }),
        () => entries.get(key) === entry && entries.delete(key),
      )
      return entry.answer
    },
    forget: (key) => void entries.delete(key),
    forgetWhere: (fits) => {
      for (const [key, { came }] of entries) if (!came || fits(came.answer)) entries.delete(key)
    },
  }
}
