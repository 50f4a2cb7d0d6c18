/** Wake-ups by key, inside this process. */
export interface Signals {
  on(key: string, wake: () => void): () => void
  wake(key: string): void
}

export function signals(): Signals {
  const waiting = new Map<string, Set<() => void>>()
  return {
    on: (key, wake) => {
      const set = waiting.get(key) ?? new Set()
      waiting.set(key, set.add(wake))
      return () => {
        set.delete(wake)
        if (set.size === 0) waiting.delete(key)
      }
    },
    wake: (key) => {
      for (const wake of waiting.get(key) ?? []) wake()
    },
  }
}
