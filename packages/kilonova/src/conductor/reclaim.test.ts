/** Soft-deleted servers are deleted for good when their time is over, once, and only while they still are soft-deleted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { admit } from '../actions/admit.ts'
import { restore } from '../actions/restore.ts'
import { setLock, setPlace } from '../db/server-columns.ts'
import { findServer, insertServer, transition } from '../db/servers.ts'
import { testDatabase } from '../db/testing/test-database.ts'
import { demoServer } from '../domain/server-fixture.ts'
import { memoryBus } from '../rpc/memory/bus.ts'
import { reclaimDue, startReclaim } from './reclaim.ts'

const caller = { userId: 'u', projectId: 'p', requestId: 'req-1', isAdmin: false }

async function world(t: Parameters<typeof testDatabase>[0]) {
  const db = await testDatabase(t)
  let now = 1_000_000
  const reach = { db, bus: memoryBus(), clock: { now: () => now }, log: silentLog }
  return {
    reach,
    pass: (ms: number) => void (now += ms),
    softDeleted: async () => {
      const { taskId: _t, epoch: _e, ...server } = demoServer({ id: newId() })
      await insertServer(db, server, newId())
      await setPlace(db, server.id, { host: 'host-1', hypervisorHostname: 'host-1', availabilityZone: 'nova' })
      const row = await findServer(db, server.id)
      assert.ok(row && (await transition(db, row, { vmState: 'soft-delete', taskId: null, taskState: null }, now)))
      return server.id
    },
    stateOf: async (id: string) => {
      const server = await findServer(db, id)
      return [server?.vmState, server?.taskState]
    },
  }
}

test('each goes when its own time is over, locked or not, and once', async (t) => {
  const w = await world(t)
  const [first, locked] = [await w.softDeleted(), await w.softDeleted()]
  await setLock(w.reach.db, locked, { by: 'owner', reason: null }, 1)
  w.pass(30_000)
  const later = await w.softDeleted()
  w.pass(29_999)
  assert.equal(await reclaimDue(w.reach, 60_000), 0)
  w.pass(1)
  assert.equal(await reclaimDue(w.reach, 60_000), 2)
  assert.equal(await reclaimDue(w.reach, 60_000), 0)
  for (const id of [first, locked]) assert.deepEqual(await w.stateOf(id), ['soft-delete', 'deleting'])
  assert.deepEqual(await w.stateOf(later), ['soft-delete', null])
})

test('one that was restored stays, and begins anew when it is deleted again', async (t) => {
  const w = await world(t)
  const [restoring, restored] = [await w.softDeleted(), await w.softDeleted()]
  await admit(w.reach, caller, restore, restoring, null)
  const row = await findServer(w.reach.db, restored)
  assert.ok(row && (await transition(w.reach.db, row, { vmState: 'active' }, 2)))
  w.pass(60_000)
  assert.equal(await reclaimDue(w.reach, 60_000), 0)
  const active = await findServer(w.reach.db, restored)
  assert.ok(active && (await transition(w.reach.db, active, { vmState: 'soft-delete' }, w.reach.clock.now())))
  assert.equal(await reclaimDue(w.reach, 60_000), 0)
  w.pass(60_000)
  assert.equal(await reclaimDue(w.reach, 60_000), 1)
  assert.deepEqual(await w.stateOf(restoring), ['soft-delete', 'restoring'])
})

test('it looks by itself, and not at all where nothing is to be reclaimed', async (t) => {
  const w = await world(t)
  const id = await w.softDeleted()
  w.pass(10)
  const admitted = new Promise((resolve) => w.reach.bus.subscribe('task-admitted', resolve))
  const never = startReclaim(w.reach, { reclaimAfterMs: 0 })
  const looks = startReclaim(w.reach, { reclaimAfterMs: 10 })
  t.after(() => Promise.all([never.close(), looks.close()]))
  await admitted
  assert.deepEqual(await w.stateOf(id), ['soft-delete', 'deleting'])
})
