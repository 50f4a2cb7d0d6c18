/** Every method of upstream is served at upstream's versions, or named as missing; and under its paths nothing else is served. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OPERATIONS } from '../resources/index.ts'
import { operationOf, parts, pattern, standingOf, standingOfAction } from './measure.ts'
import { MISSING } from './missing.ts'
import { CAPPED, ENDPOINTS, REMOVED, SERVER_ACTIONS } from './upstream.ts'

const LIVE = [...ENDPOINTS, ...CAPPED]

test('what is not served is named, with the reason', () => {
  const missing = [
    ...LIVE.filter((line) => standingOf(line) === 'missing'),
    ...SERVER_ACTIONS.filter((line) => standingOfAction(line) === 'missing'),
  ]
  assert.deepEqual(
    missing.filter((line) => MISSING[line] === undefined),
    [],
  )
})

test('what is named is spelled as upstream has it', () => {
  const known = new Set([...LIVE, ...SERVER_ACTIONS])
  assert.deepEqual(
    Object.keys(MISSING).filter((line) => !known.has(line)),
    [],
  )
})

test('what is served lives from the version on, and to the one, that upstream’s does', () => {
  const wrong = LIVE.flatMap((line) => {
    const operation = operationOf(line)
    const { endpoint, action, from, until } = parts(line)
    // Changing a service is one method upstream; its ways until 2.52 are operations of their own here.
    if (!operation || action !== undefined || endpoint === 'PUT /os-services/*') return []
    const seen = [operation.since ?? '2.1', operation.until]
    return JSON.stringify(seen) === JSON.stringify([from ?? '2.1', until]) ? [] : [`${line}: ${seen.join(' to ')}`]
  })
  assert.deepEqual(wrong, [])
})

test('nothing is served under upstream’s paths that upstream does not know', () => {
  const known = new Set([...LIVE, ...REMOVED].map((line) => parts(line).endpoint))
  const own = OPERATIONS.map(pattern).filter((each) => !known.has(each))
  // What is ours alone says so by its path. The old ways to change a service are one method upstream, and so are all actions.
  assert.deepEqual(
    own.filter((each) => !/^\w+ \/kilonova\/|^PUT \/os-services\/|^POST \/servers\/\*\/action$/.test(each)),
    [],
  )
})

test('what upstream removed is removed here', () => {
  assert.deepEqual(
    REMOVED.filter((line) => !operationOf(line)),
    [],
  )
})
