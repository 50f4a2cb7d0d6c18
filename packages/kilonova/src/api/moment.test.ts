/** Dates and times of queries. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMoment } from './moment.ts'

const NOON = Date.UTC(2026, 10, 21, 12)

test('with or without separators, fraction and zone', () => {
  for (const text of [
    '2026-11-21T12:00:00Z',
    '2026-11-21 12:00:00',
    '20261121T120000',
    '2026-11-21T12',
    '2026-11-21T13:00+01:00',
    '2026-11-21T10:30:00-0130',
  ])
    assert.equal(parseMoment(text), NOON, text)
  assert.equal(parseMoment('2026-11-21T12:00:00.1239'), NOON + 123)
  assert.equal(parseMoment('2026-11-21'), Date.UTC(2026, 10, 21))
  assert.equal(parseMoment('2026'), Date.UTC(2026, 0, 1))
})

test('what JavaScript alone takes for a date is none', () => {
  for (const text of [
    '2011/01/01',
    '1',
    'Nov 21 2026',
    '2026-02-30',
    '2026-11-21T24:00',
    '2026-13-01',
    '2026-11-21T12:00:00X',
    '',
  ])
    assert.equal(parseMoment(text), undefined, text)
})
