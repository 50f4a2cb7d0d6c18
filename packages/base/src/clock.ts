/** Time and ids, injected so that tests can hold them still. Times are milliseconds since 1970, UTC. */
import { randomUUID } from 'node:crypto'

export interface Clock {
  now(): number
}

/** The machine's clock, moved by `offsetMs` (an option for tests of expiry). */
export const systemClock = (offsetMs = 0): Clock => ({ now: () => Date.now() + offsetMs })

export const newId = (): string => randomUUID()

/** `2026-11-21T11:30:03Z`, the form OpenStack's APIs use for times. */
export const isoSeconds = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`
/** `2026-11-21T11:30:03.000000`, the other one. */
export const isoMicros = (ms: number): string => `${new Date(ms).toISOString().slice(0, 23)}000`
