/** Work by turns: of one key one after another in the order asked, of different keys in parallel up to a bound. */

export interface Turns {
  inTurn<T>(key: string, work: () => Promise<T>): Promise<T>
  isBusy(key: string): boolean
}

export function turns(maxParallel: number): Turns {
  const last = new Map<string, Promise<unknown>>()
  const waiting: (() => void)[] = []
  let free = maxParallel

  async function withSlot<T>(work: () => Promise<T>): Promise<T> {
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      // A slot is handed to the next in line; only when nobody waits is it free.
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  }

  return {
    isBusy: (key) => last.has(key),
    inTurn: (key, work) => {
      const before = last.get(key) ?? Promise.resolve()
      const answer = before.then(() => withSlot(work))
      const settled = answer.then(
        () => {},
        () => {},
      )
      last.set(key, settled)
      void settled.then(() => last.get(key) === settled && last.delete(key))
      return answer
    },
  }
}
