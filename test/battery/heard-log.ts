/** A log that can be listened to: how tests await what daemons say instead of asking again and again. */
import type { Facts, Log } from '@kilonova/base/log.ts'

export interface HeardLog {
  readonly log: Log
  /** Calls back for every line; returns a function that stops it. */
  on(hear: (phrase: string, facts: Facts) => void): () => void
}

export function heardLog(): HeardLog {
  const listeners = new Set<(phrase: string, facts: Facts) => void>()
  const speaking = (known: Facts): Log => {
    const say = (phrase: string, facts: Facts = {}) => {
      for (const hear of listeners) hear(phrase, { ...known, ...facts })
    }
    return {
      debug: say,
      info: say,
      warn: say,
      error: say,
      with: (more) => speaking({ ...known, ...more }),
      in: () => speaking(known),
    }
  }
  return {
    log: speaking({}),
    on: (hear) => {
      listeners.add(hear)
      return () => void listeners.delete(hear)
    },
  }
}
