import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lastCompleted, readAuditPeriod } from './audit-period.ts'

const span = (text: string, before: string): readonly string[] => {
  const period = readAuditPeriod(text)
  assert.ok(period)
  const { begin, end } = lastCompleted(period, Date.parse(`${before}Z`))
  return [begin, end].map((ms) => new Date(ms).toISOString().slice(0, 16))
}

test('the last period that was over, as upstream counts it', () => {
  for (const [text, before, begin, end] of [
    ['hour', '2026-03-01T12:30:00', '2026-03-01T11:00', '2026-03-01T12:00'],
    ['hour@45', '2026-03-01T12:30:00', '2026-03-01T10:45', '2026-03-01T11:45'],
    ['day', '2026-03-01T12:30:00', '2026-02-28T00:00', '2026-03-01T00:00'],
    ['day@18', '2026-03-01T12:30:00', '2026-02-27T18:00', '2026-02-28T18:00'],
    ['month', '2026-03-01T00:00:01', '2026-02-01T00:00', '2026-03-01T00:00'],
    // At its very beginning a period is not over, nor is the one before it said to be.
    ['month', '2026-03-01T00:00:00', '2026-01-01T00:00', '2026-02-01T00:00'],
    ['month@15', '2026-01-14T00:00:00', '2025-11-15T00:00', '2025-12-15T00:00'],
    ['year', '2026-03-01T00:00:00', '2025-01-01T00:00', '2026-01-01T00:00'],
    ['year@3', '2026-02-01T00:00:00', '2024-03-01T00:00', '2025-03-01T00:00'],
  ] as const)
    assert.deepEqual(span(text, before), [begin, end], `${text} before ${before}`)
})

test('what is no period is not read', () => {
  for (const text of ['', 'week', 'hour@60', 'day@24', 'month@31', 'year@13', 'day@-1', 'day@'])
    assert.equal(readAuditPeriod(text), undefined, text)
})
