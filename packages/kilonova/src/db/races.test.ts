/** Names and leases are given once, however many ask at the same moment. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId, systemClock } from '@kilonova/base/clock.ts'
import { leases } from '../conductor/leases.ts'
import { demoServer } from '../domain/server-fixture.ts'
import { insertFlavor } from './flavors.ts'
import { insertKeyPair } from './key-pairs.ts'
import { owe, owedBy, settle } from './owed.ts'
import { insertServer } from './servers.ts'
import { cancelTask, findTask, releaseLeasesOf } from './tasks.ts'
import { openTask, testDatabase } from './testing/test-database.ts'

const { flavor } = demoServer()

test('of twenty flavors made at once under one name, one is made', async (t) => {
  const db = await testDatabase(t)
  const taken = await Promise.all(
    Array.from({ length: 20 }, (_, n) => insertFlavor(db, { ...flavor, id: String(n) }, 0)),
  )
  assert.deepEqual(
    [taken.filter((what) => what === undefined).length, taken.filter((what) => what === 'name').length],
    [1, 19],
  )
  assert.equal(await insertFlavor(db, { ...flavor, id: String(taken.indexOf(undefined)), name: 'another' }, 0), 'id')
})

test('of twenty key pairs made at once under one name, one is made', async (t) => {
  const db = await testDatabase(t)
  const pair = {
    userId: 'alice',
    name: 'key',
    type: 'ssh',
    publicKey: 'ssh-ed25519 AAAA',
    fingerprint: 'aa',
    createdAt: 0,
  } as const
  const made = await Promise.all(Array.from({ length: 20 }, () => insertKeyPair(db, pair)))
  assert.equal(made.filter(Boolean).length, 1)
})

test('of twenty conductors that want a task, one gets it, under an epoch that no other had', async (t) => {
  const db = await testDatabase(t)
  const { taskId: _t, epoch: _e, ...server } = demoServer()
  await insertServer(db, server, newId())
  const { id } = await openTask(db, server.id)
  const clock = systemClock()
  const conductors = Array.from({ length: 20 }, (_, n) => leases(db, clock, `c${n}/1`, 60_000))
  const taken = (await Promise.all(conductors.map((conductor) => conductor.take(id)))).flatMap((task) => task ?? [])
  assert.deepEqual(
    taken.map(({ epoch }) => epoch),
    [1],
  )
  assert.deepEqual(
    await Promise.all(conductors.map((conductor) => conductor.takeDue(10))),
    conductors.map(() => []),
  )

  await db.updateTable('tasks').set({ leased_until: 0 }).where('id', '=', id).execute()
  assert.equal((await conductors[3]?.take(id))?.epoch, 2)
})

test('a lease and a cancellation at the same moment: both happen, and the runner knows', async (t) => {
  const db = await testDatabase(t)
  const { taskId: _t, epoch: _e, ...server } = demoServer()
  await insertServer(db, server, newId())
  const { id } = await openTask(db, server.id)
  const conductor = leases(db, systemClock(), 'c/1', 60_000)
  const [task] = await Promise.all([conductor.take(id), cancelTask(db, id, 'delete', 1)])
  assert.equal(task?.id, id)
  assert.equal((await conductor.renew()).get(id)?.cancelledBy, 'delete')
})

test('a conductor frees what an earlier one of exactly its name held', async (t) => {
  const db = await testDatabase(t)
  const { taskId: _t, epoch: _e, ...server } = demoServer()
  await insertServer(db, server, newId())
  const owners = ['node_1/a', 'nodeX1/b', 'NODE_1/c', 'node_1/d']
  const ids = await Promise.all(owners.map(async () => (await openTask(db, server.id)).id))
  for (const [index, id] of ids.entries())
    await db
      .updateTable('tasks')
      .set({ owner: owners[index] ?? '', leased_until: 99 })
      .where('id', '=', id)
      .execute()
  await releaseLeasesOf(db, 'node_1')
  assert.deepEqual(await Promise.all(ids.map(async (id) => (await findTask(db, id))?.owner)), [
    null,
    'nodeX1/b',
    'NODE_1/c',
    null,
  ])
})

test('a removal is owed once, under the newest epoch that asked for it', async (t) => {
  const db = await testDatabase(t)
  await owe(db, 'h', 's', 'destroy', 5, 0)
  await owe(db, 'h', 's', 'destroy', 3, 1)
  await owe(db, 'h', 's', 'destroy', 6, 2)
  const [owed, ...more] = await owedBy(db, 'h')
  assert.deepEqual([owed?.epoch, more], [6, []])
  await settle(db, owed?.id ?? '')
  assert.deepEqual(await owedBy(db, 'h'), [])
})
