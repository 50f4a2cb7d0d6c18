/**
 * Failed logins are counted by user and by source address, in memory. Over the limit nothing is checked any more, so
 * that guessing costs the guesser time and this process no hashes; who waits is let in again.
 */
import type { Clock } from '@kilonova/base/clock.ts'
import { Fault } from '../openstack/fault.ts'

export interface Attempt {
  /** A user's id, or what was said to be one: unknown users are limited alike. */
  readonly user: string
  readonly source: string
  /** The user's option `ignore_lockout_failure_attempts`: only the source address is limited. */
  readonly neverLocked: boolean
}

export interface LoginLimit {
  /** Errors: 429 with Retry-After. */
  check(attempt: Attempt): void
  failed(attempt: Attempt): void
  succeeded(attempt: Attempt): void
}

const WINDOW_MS = 60_000
const MAX_OF_USER = 10
const MAX_OF_SOURCE = 100
const MAX_COUNTED = 20_000

export function loginLimit(clock: Clock): LoginLimit {
  /** `user:…` and `source:…` to the times of recent failures, oldest first. */
  const failures = new Map<string, readonly number[]>()
  const recent = (key: string): readonly number[] =>
    (failures.get(key) ?? []).filter((time) => time > clock.now() - WINDOW_MS)
  const keys = ({ user, source, neverLocked }: Attempt) => [
    ...(neverLocked ? [] : [{ key: `user:${user}`, max: MAX_OF_USER }]),
    { key: `source:${source}`, max: MAX_OF_SOURCE },
  ]
  return {
    check: (attempt) => {
      for (const { key, max } of keys(attempt)) {
        const times = recent(key)
        const [oldest = 0] = times.slice(-max)
        if (times.length >= max) throw tooMany(Math.max(1, Math.ceil((oldest + WINDOW_MS - clock.now()) / 1000)))
      }
    },
    failed: (attempt) => {
      for (const { key, max } of keys(attempt)) {
        const times = [...recent(key), clock.now()].slice(-max)
        failures.delete(key)
        failures.set(key, times)
      }
      if (failures.size > MAX_COUNTED)
        for (const oldest of failures.keys()) if (failures.size > MAX_COUNTED * 0.9) failures.delete(oldest)
    },
    succeeded: ({ user }) => void failures.delete(`user:${user}`),
  }
}

const tooMany = (seconds: number): Fault =>
  new Fault(429, `Too many failed logins. Try again in ${seconds} seconds.`, {
    headers: { 'retry-after': String(seconds) },
  })
