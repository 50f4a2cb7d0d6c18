/** Guests that are over: what each action does, when, and that one with a verb under way is left alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '@kilonova/base/log.ts'
import { guestOf } from '../../virt/contract-values.ts'
import { fakeDriver } from '../../virt/fake/driver.ts'
import { staleGuests, type StaleOptions } from './stale-guests.ts'

async function world(action: StaleOptions['action'], afterMs = 0) {
  let now = 1_000_000
  const clock = { now: () => now }
  const driver = fakeDriver({ host: 'h1', clock })
  await driver.start(guestOf('stray', { imageId: null }))
  const busy = new Set<string>()
  const stale = staleGuests(driver, (id) => busy.has(id), { clock, log: silentLog }, { action, afterMs })
  return {
    later: (ms: number) => (now += ms),
    driver,
    busy,
    sweep: () => stale.swept(['stray']),
    state: () => driver.powerState('stray'),
  }
}

test('reap removes it when the second sweep says so, too', async () => {
  const it = await world('reap')
  await it.sweep()
  assert.equal(await it.state(), 'running')
  await it.sweep()
  assert.equal(await it.state(), 'nostate')
})

test('shutdown takes its power and keeps it', async () => {
  const it = await world('shutdown')
  await it.sweep()
  await it.sweep()
  assert.equal(await it.state(), 'shutdown')
  await it.sweep()
})

test('log and noop leave it', async () => {
  for (const action of ['log', 'noop'] as const) {
    const it = await world(action)
    for (let sweep = 0; sweep < 3; sweep++) await it.sweep()
    assert.equal(await it.state(), 'running')
  }
})

test('nothing is done before its time, nor while a verb runs', async () => {
  const it = await world('reap', 1000)
  await it.sweep()
  await it.sweep()
  assert.equal(await it.state(), 'running')
  it.later(1000)
  it.busy.add('stray')
  await it.sweep()
  it.busy.clear()
  await it.sweep()
  assert.equal(await it.state(), 'running', 'the wait begins anew')
  it.later(1000)
  await it.sweep()
  assert.equal(await it.state(), 'nostate')
})
