import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { newId, systemClock } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { findEvent } from '../db/events.ts'
import { setPlace } from '../db/server-columns.ts'
import { findServer, insertServer, transition } from '../db/servers.ts'
import { testDatabase } from '../db/testing/test-database.ts'
import { demoServer } from '../domain/server-fixture.ts'
import { POWER_STATES, VM_STATES, type PowerState, type VmState } from '../domain/states.ts'
import { follow, powerAfterTask, powerChanged, powerSwept } from './power.ts'

/** A server on host-1 in these states, which no task owns unless told; and a host that answers `truth` when asked. */
async function seen(t: TestContext, vmState: VmState, powerState: PowerState, truth: PowerState, busy = false) {
  const db = await testDatabase(t)
  const clock = systemClock()
  const { taskId: _t, epoch: _e, ...server } = demoServer({ id: newId() })
  await insertServer(db, server, newId())
  await setPlace(db, server.id, { host: 'host-1', hypervisorHostname: 'host-1', availabilityZone: 'nova' })
  const row = await findServer(db, server.id)
  assert.ok(row)
  if (!busy) assert.ok(await transition(db, row, { vmState, powerState, taskId: null, taskState: null }, 1))
  const woken: string[] = []
  const asked: string[] = []
  const reach = {
    db,
    clock,
    log: silentLog,
    serverEvent: (id: string) => void woken.push(id),
    ask: async (host: string) => {
      asked.push(host)
      return truth
    },
  }
  return {
    db,
    woken,
    asked,
    id: server.id,
    happens: (power: PowerState, host = 'host-1') => powerChanged(reach, host, server.id, power),
    isSwept: (power?: PowerState) => powerSwept(reach, 'host-1', new Map(power ? [[server.id, power]] : [])),
    taskEnds: async () => {
      const held = await findServer(db, server.id)
      assert.ok(held && (await transition(db, held, { taskId: null, taskState: null, vmState, powerState }, 2)))
      await powerAfterTask(reach, server.id)
    },
    states: async () => {
      const now = await findServer(db, server.id)
      return [now?.vmState, now?.powerState]
    },
  }
}

test('a guest that goes off by itself stops its server; one that comes up starts it', async (t) => {
  const off = await seen(t, 'active', 'running', 'shutdown')
  await off.happens('shutdown')
  assert.deepEqual(await off.states(), ['stopped', 'shutdown'])
  const crashed = await seen(t, 'active', 'running', 'crashed')
  await crashed.happens('crashed')
  assert.deepEqual(await crashed.states(), ['stopped', 'crashed'])
  const on = await seen(t, 'stopped', 'shutdown', 'running')
  await on.happens('running')
  assert.deepEqual(await on.states(), ['active', 'running'])
})

test('old news is checked at the host before it is believed', async (t) => {
  const s = await seen(t, 'active', 'running', 'running')
  await s.happens('shutdown')
  assert.deepEqual([await s.states(), s.asked], [['active', 'running'], ['host-1']])
})

test('a server that has a task is left to it: it gets the news', async (t) => {
  const s = await seen(t, 'active', 'running', 'shutdown', true)
  await s.happens('shutdown')
  assert.deepEqual([await s.states(), s.woken, s.asked], [['active', 'running'], [s.id], []])
  assert.deepEqual(await findEvent(s.db, s.id, 'power', 'shutdown', 0), { powerState: 'shutdown' })
})

test('a guest that went off amid a task that did not care is followed when the task has ended', async (t) => {
  const s = await seen(t, 'active', 'running', 'shutdown', true)
  await s.happens('crashed')
  assert.deepEqual(await s.states(), ['active', 'running'])
  await s.taskEnds()
  assert.deepEqual([await s.states(), s.asked], [['stopped', 'shutdown'], ['host-1']])
})

test('a task that ends as the host told it, asks no host', async (t) => {
  const s = await seen(t, 'stopped', 'shutdown', 'running', true)
  await s.happens('shutdown')
  await s.taskEnds()
  assert.deepEqual([await s.states(), s.asked], [['stopped', 'shutdown'], []])
})

test('a sweep: guests that are gone, and what the host says of it by now', async (t) => {
  const gone = await seen(t, 'active', 'running', 'nostate')
  await gone.isSwept()
  assert.deepEqual(await gone.states(), ['stopped', 'shutdown'])
  const back = await seen(t, 'active', 'running', 'running')
  await back.isSwept()
  assert.deepEqual([await back.states(), back.asked], [['active', 'running'], ['host-1']])
  const same = await seen(t, 'active', 'running', 'running')
  await same.isSwept('running')
  assert.deepEqual(same.asked, [])
})

test('a guest that a sweep missed amid a task is looked for when the task has ended, and no step takes the sweep for news', async (t) => {
  for (const swept of [undefined, 'shutdown'] as const) {
    const s = await seen(t, 'active', 'running', 'shutdown', true)
    await s.isSwept(swept)
    assert.deepEqual([await s.states(), s.woken, s.asked], [['active', 'running'], [], []])
    assert.equal(await findEvent(s.db, s.id, 'power', 'shutdown', 0), undefined)
    await s.taskEnds()
    assert.deepEqual([await s.states(), s.asked], [['stopped', 'shutdown'], ['host-1']])
  }
})

test('an old sweep does not hide what was told meanwhile', async (t) => {
  const s = await seen(t, 'active', 'running', 'shutdown', true)
  await s.happens('crashed')
  await s.isSwept('running')
  await s.taskEnds()
  assert.deepEqual(await s.states(), ['stopped', 'shutdown'])
})

test('what another host says of the server does not count', async (t) => {
  const s = await seen(t, 'active', 'running', 'shutdown')
  await s.happens('shutdown', 'host-2')
  assert.deepEqual([await s.states(), s.asked], [['active', 'running'], []])
})

test('a suspended server is not taken for one that its user switched off; a paused one whose guest is gone is off', async (t) => {
  const suspended = await seen(t, 'suspended', 'shutdown', 'shutdown')
  for (const power of POWER_STATES) await suspended.happens(power)
  assert.deepEqual(await suspended.states(), ['suspended', 'shutdown'])
  const paused = await seen(t, 'paused', 'paused', 'shutdown')
  await paused.happens('shutdown')
  assert.deepEqual(await paused.states(), ['stopped', 'shutdown'])
})

test('only active, paused and stopped servers follow; a guest that is gone is off', () => {
  for (const vmState of VM_STATES)
    for (const power of POWER_STATES) {
      const move = follow({ vmState, powerState: 'running' }, power)
      if (!['active', 'paused', 'stopped'].includes(vmState)) assert.equal(move, undefined)
      assert.notEqual(move?.powerState, 'nostate')
    }
  assert.deepEqual(follow({ vmState: 'active', powerState: 'running' }, 'nostate'), {
    vmState: 'stopped',
    powerState: 'shutdown',
  })
  assert.deepEqual(follow({ vmState: 'active', powerState: 'running' }, 'paused'), { powerState: 'paused' })
  assert.equal(follow({ vmState: 'stopped', powerState: 'shutdown' }, 'shutdown'), undefined)
})
