/**
 * Every action, every step, what can go wrong at it: the world ends as before, or as the action's `then`. Each step gets two of the
 * harms, drawn by KILONOVA_TEST_SEED, on the calm bus and on the stormy one; all of them on the calm bus with KILONOVA_BATTERY=calm
 * (`npm test`), on both with KILONOVA_BATTERY=whole (`npm run e2e -- storm`).
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ACTIONS } from '@kilonova/kilonova/actions/index.ts'
import type { ServerAction } from '@kilonova/kilonova/actions/define.ts'
import { HARMS, type Harm } from './harms.ts'
import { runCase, type Result } from './run-case.ts'
import { seed, seeded } from './weather.ts'
import { worldUp, type WorldUp } from './world-up.ts'

const NOTHING: Harm = { name: 'nothing', ends: 'then', harmed: (step) => step }
/** What the world looks like after the unharmed action, and after an undone one. */
interface Ends {
  readonly then: Pick<Result, 'change' | 'standing'>
  readonly before: Pick<Result, 'change' | 'standing'>
}

/** How the servers stood of which it is asked, where they were not active. */
const STOOD: Readonly<
  Record<string, { readonly vmState: string; readonly powerState: string; readonly placed?: boolean }>
> = {
  start: { vmState: 'stopped', powerState: 'shutdown' },
  unpause: { vmState: 'paused', powerState: 'paused' },
  resume: { vmState: 'suspended', powerState: 'shutdown' },
  unrescue: { vmState: 'rescued', powerState: 'running' },
  unshelve: { vmState: 'shelved_offloaded', powerState: 'shutdown', placed: false },
  unshelveInPlace: { vmState: 'shelved', powerState: 'shutdown' },
  restore: { vmState: 'soft-delete', powerState: 'shutdown' },
}

/** What the states become, from the action's own words. */
function endsOf(action: ServerAction, unharmed: Result): Ends {
  const created = { vmState: 'error', taskState: null, powerState: 'nostate', placed: false }
  const power = STOOD[action.name] ?? { vmState: 'active', powerState: 'running' }
  const standing = action.name === 'create' ? created : { placed: true, ...power, taskState: null }
  return { then: { change: unharmed.change, standing: unharmed.standing }, before: { change: {}, standing } }
}

const random = seeded(seed)
const DRAWN = 2
const WHOLE: readonly string[] =
  { calm: ['calm'], whole: ['calm', 'storm'] }[process.env['KILONOVA_BATTERY'] ?? ''] ?? []
const drawn = (harms: readonly Harm[]): readonly Harm[] =>
  harms
    .map((harm) => ({ harm, lot: random() }))
    .toSorted((a, b) => a.lot - b.lot)
    .slice(0, DRAWN)
    .map(({ harm }) => harm)

function expect(ends: Ends, { result, change, standing }: Result): void {
  assert.deepEqual({ change, standing }, result === 'succeeded' ? ends.then : ends.before)
}

for (const weather of ['calm', 'storm'] as const)
  describe(`battery, ${weather} bus`, () => {
    let up: WorldUp
    const ends = new Map<string, Ends>()
    before(async () => {
      up = await worldUp()
      for (const action of Object.values(ACTIONS))
        ends.set(action.name, endsOf(action, await runCase(up.w, action, '', NOTHING)))
    })
    after(() => up.close())

    for (const action of Object.values(ACTIONS))
      for (const [index, step] of action.steps.entries()) {
        const canUndo = index < action.pivotAt
        const fitting = HARMS.filter(({ needsUndo }) => !needsUndo || (canUndo && step.undo))
        for (const harm of WHOLE.includes(weather) ? fitting : drawn(fitting))
          test(`${action.name}: ${step.name} ${harm.name}`, async () => {
            const result = await runCase(up.w, action, step.name, harm, weather)
            // In a storm a call may fail for good by itself.
            if (weather === 'calm')
              assert.equal(result.result, harm.ends === 'before' && canUndo ? 'undone' : 'succeeded')
            if (weather === 'calm' && /die/.test(harm.name)) assert.equal(result.deaths, 1)
            const expected = ends.get(action.name)
            assert.ok(expected)
            expect(expected, result)
          })
      }

    if (weather === 'calm')
      test('an undo that forgets something is found out', async () => {
        const create = ACTIONS['create']
        const expected = ends.get('create')
        assert.ok(create && expected)
        const forgetful = {
          ...create,
          steps: create.steps.map((step) => (step.name === 'ports' ? { ...step, undo: async () => {} } : step)),
        }
        const harm = HARMS.find(({ name }) => name === 'has its effect and fails')
        assert.ok(harm)
        const result = await runCase(up.w, forgetful, 'plug', harm)
        assert.throws(() => expect(expected, result), assert.AssertionError)
      })
  })
