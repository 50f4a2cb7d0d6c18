import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextRun, type Schedule } from './backup-policy.ts'

/** 2026-11-21 is a Saturday. */
const cases: readonly (readonly [Schedule, string, string])[] = [
  [{ every: 'hour', minute: 15 }, '2026-11-21T18:10:00Z', '2026-11-21T18:15:00Z'],
  [{ every: 'hour', minute: 15 }, '2026-11-21T18:15:00Z', '2026-11-21T19:15:00Z'],
  [{ every: 'day', at: '03:30' }, '2026-11-21T03:29:59Z', '2026-11-21T03:30:00Z'],
  [{ every: 'day', at: '03:30' }, '2026-11-21T03:30:00Z', '2026-11-22T03:30:00Z'],
  [{ every: 'day', at: '00:00' }, '2026-12-31T23:59:00Z', '2027-01-01T00:00:00Z'],
  [{ every: 'week', at: '03:30', weekday: 6 }, '2026-11-21T03:00:00Z', '2026-11-21T03:30:00Z'],
  [{ every: 'week', at: '03:30', weekday: 6 }, '2026-11-21T04:00:00Z', '2026-11-28T03:30:00Z'],
  [{ every: 'week', at: '03:30', weekday: 0 }, '2026-11-21T04:00:00Z', '2026-11-22T03:30:00Z'],
]
for (const [schedule, after, expected] of cases)
  test(`${JSON.stringify(schedule)} after ${after}`, () =>
    assert.equal(new Date(nextRun(schedule, Date.parse(after))).toISOString(), new Date(expected).toISOString()))
