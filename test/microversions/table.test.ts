/** Every microversion: what it changed is seen at it, and not at the one before. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ENDPOINTS, SERVER_ACTIONS } from '@kilonova/kilonova/api/coverage/upstream.ts'
import { OPERATIONS } from '@kilonova/kilonova/api/resources/index.ts'
import { ACTION_KEYS } from '@kilonova/kilonova/api/resources/server-action.ts'
import { MAX_MINOR, MIN_MINOR, versionOf } from '@kilonova/kilonova/domain/microversion.ts'
import { scene } from './scene.ts'
import { TABLE } from './table.ts'

const minorOf = (version: string): number => Number(version.slice(2))
const entries = Object.entries(TABLE)

test('every version is in the table, and each is proven, or said to be nothing of ours', () => {
  const all = Array.from({ length: MAX_MINOR }, (_each, index) => versionOf(MIN_MINOR + index))
  assert.deepEqual(Object.keys(TABLE), all)
  for (const [version, { changes = [], later = [], none }] of entries)
    assert.ok((none === undefined) === changes.length + later.length > 0, `${version} is neither proven nor explained`)
})

test('what is not served yet is really not: whoever adds it proves here what its versions changed', () => {
  const served = new Set(OPERATIONS.map(({ method, path }) => `${method} ${path.replaceAll(/:\w+/g, '*')}`))
  const forgotten = entries.flatMap(([version, { later = [] }]) =>
    later
      .filter((one) => served.has(one) || ACTION_KEYS.includes(one.replace(/^action /, '')))
      .map((one) => `${version}: ${one} is served now: say what the version changed of it`),
  )
  assert.deepEqual(forgotten, [])
})

test('what is said to come later is spelled as upstream has it', () => {
  const known = new Set([
    ...ENDPOINTS.map((line) => line.replace(/ (from|\{).*$/, '')),
    ...SERVER_ACTIONS.map((key) => `action ${key}`),
  ])
  assert.deepEqual(
    entries.flatMap(([, { later = [] }]) => later.filter((one) => !known.has(one))),
    [],
  )
})

test('every change is seen at its version and not at the one before', { timeout: 60_000 }, async (t) => {
  const the = await scene(t)
  const wrong: string[] = []
  for (const [version, { changes = [] }] of entries)
    for (const { what, see, before, after } of changes) {
      assert.notDeepEqual(before, after, `${version} ${what}: nothing changes`)
      const wanted = [before, after]
      const seen = [await see(the, versionOf(minorOf(version) - 1)), await see(the, version)]
      if (JSON.stringify(seen) !== JSON.stringify(wanted))
        wrong.push(`${version} ${what}: ${JSON.stringify(seen)} instead of ${JSON.stringify(wanted)}`)
    }
  assert.deepEqual(wrong, [])
})
