/** What is done again and again: only what is due, never to a server that has a task, and never twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '@kilonova/base/log.ts'
import { at, cloud, server, settled, type Cloud } from '../../api/testing/cloud.ts'
import { backUpDue } from './backups.ts'
import { unrescueDue } from './rescue-timeout.ts'
import { giveUpBuilds } from './build-timeout.ts'
import { offloadDue } from './shelved-offload.ts'

const reachOf = ({ db, bus, clock }: Cloud) => ({ db: db as never, bus, clock, log: silentLog })
const HOUR_MS = 3600_000

async function standing(it: Cloud, values: object = { locked: 0 }): Promise<string> {
  const id = await server(it)
  await settled(it, id)
  await it.db.updateTable('servers').set(values).where('id', '=', id).execute()
  return id
}
const tasksOf = async (it: Cloud, id: string) =>
  (
    await it.db
      .selectFrom('tasks')
      .select(['action', 'user_id', 'body'])
      .where('server_id', '=', id)
      .where('finished_at', 'is', null)
      .execute()
  ).map(({ action, user_id, body }) => ({ action, user: user_id, body: JSON.parse(body) as unknown }))

test('a rescue that took too long ends; one that is younger, or has a task, goes on', async (t) => {
  const it = await cloud(t)
  const rescue = (age: number) => JSON.stringify({ imageId: 'i', properties: {}, at: it.clock.now() - age })
  const old = await standing(it, { vm_state: 'rescued', rescue: rescue(2 * HOUR_MS) })
  const young = await standing(it, { vm_state: 'rescued', rescue: rescue(1000) })
  const busy = await standing(it, {
    vm_state: 'rescued',
    rescue: rescue(2 * HOUR_MS),
    task_state: 'deleting',
    task_id: 't',
  })
  assert.equal(await unrescueDue(reachOf(it), HOUR_MS), 1)
  assert.equal(await unrescueDue(reachOf(it), HOUR_MS), 0)
  assert.deepEqual(
    (await Promise.all([old, young, busy].map((id) => tasksOf(it, id)))).map((tasks) =>
      tasks.map(({ action }) => action),
    ),
    [['unrescue'], [], []],
  )
})

test('a build that takes too long is given up once; others go on', async (t) => {
  const it = await cloud(t)
  const late = await server(it)
  it.pass(2 * HOUR_MS)
  const young = await server(it)
  assert.equal(await giveUpBuilds(reachOf(it), HOUR_MS), 1)
  assert.equal(await giveUpBuilds(reachOf(it), HOUR_MS), 0, 'it was asked already')
  const cancelledBy = async (id: string) =>
    (await it.db.selectFrom('tasks').select('cancelled_by').where('server_id', '=', id).executeTakeFirstOrThrow())
      .cancelled_by
  assert.equal(await cancelledBy(late), 'instance_build_timeout')
  assert.equal(await cancelledBy(young), null)
})

test('a server that was shelved long ago leaves its host', async (t) => {
  const it = await cloud(t)
  const shelved = (age: number) => JSON.stringify({ imageId: 'i', at: it.clock.now() - age })
  const old = await standing(it, { vm_state: 'shelved', shelved: shelved(2 * HOUR_MS) })
  const young = await standing(it, { vm_state: 'shelved', shelved: shelved(1000) })
  assert.equal(await offloadDue(reachOf(it), HOUR_MS), 1)
  assert.deepEqual(
    (await tasksOf(it, old)).map(({ action }) => action),
    ['shelveOffload'],
  )
  assert.deepEqual(await tasksOf(it, young), [])
})

test('a policy backs its servers up once each time it is due, in the name of its owner', async (t) => {
  const it = await cloud(t)
  const [one, two, off] = [await standing(it), await standing(it), await standing(it, { vm_state: 'error' })]
  const others = await it.call('POST', '/servers', {
    as: 'other',
    json: { server: { name: 'theirs', flavorRef: '1', imageRef: [...it.images.keys()][0] } },
  })
  const theirs = String(at(others, 'server', 'id'))
  await settled(it, theirs)
  const json = { name: 'often', schedule: { every: 'hour', minute: 0 }, rotation: 3, servers: { all: true } }
  const made = await it.call('POST', '/kilonova/backup-policies', { json: { backup_policy: json } })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const id = String(at(made, 'backup_policy', 'id'))
  await backUpDue(reachOf(it))
  assert.deepEqual(await tasksOf(it, one), [], 'it is not due yet')

  it.pass(HOUR_MS)
  await Promise.all([backUpDue(reachOf(it)), backUpDue(reachOf(it))])
  await backUpDue(reachOf(it))
  for (const each of [one, two]) {
    const [task, ...more] = await tasksOf(it, each)
    assert.deepEqual([task?.action, task?.user, more], ['createBackup', 'alice', []])
    assert.ok(task)
    const { image, rotation } = task.body as { image: Record<string, unknown>; rotation: number }
    assert.deepEqual([image['owner'], rotation], ['11111111111111111111111111111111', 3])
    assert.equal((image['properties'] as Record<string, string>)['backup_type'], `policy-${id}`)
  }
  assert.deepEqual(await tasksOf(it, theirs), [])
  const shown = await it.call('GET', `/kilonova/backup-policies/${id}`)
  assert.deepEqual(at(shown, 'backup_policy', 'last_run', 'begun'), [one, two])
  assert.match(String(at(shown, 'backup_policy', 'last_run', 'skipped', 0, 'reason')), /vm_state error/)
  assert.equal(at(shown, 'backup_policy', 'last_run', 'skipped', 0, 'server'), off)
})

test('a run that broke off is taken up again, and begins nothing twice', async (t) => {
  const it = await cloud(t)
  const [one, two] = [await standing(it), await standing(it)]
  const json = { name: 'n', schedule: { every: 'day', at: '03:00' }, rotation: 1, servers: { ids: [one, two] } }
  await it.call('POST', '/kilonova/backup-policies', { json: { backup_policy: json } })
  it.pass(24 * HOUR_MS)
  await backUpDue(reachOf(it))
  // As if the process had died before it wrote that the run was over, and after the first server's backup had ended.
  const due = await it.db.selectFrom('backup_policies').select('last_run').executeTakeFirstOrThrow()
  const { at: wasDue } = JSON.parse(due.last_run ?? '{}') as { at: number }
  await it.db
    .updateTable('backup_policies')
    .set({ next_run_at: wasDue, claimed_until: it.clock.now() + 1000 })
    .execute()
  await settled(it, one)
  await backUpDue(reachOf(it))
  it.pass(2000)
  await backUpDue(reachOf(it))
  assert.deepEqual(await tasksOf(it, one), [])
  assert.equal((await tasksOf(it, two)).length, 1)
  const { next_run_at: next } = await it.db
    .selectFrom('backup_policies')
    .select('next_run_at')
    .executeTakeFirstOrThrow()
  assert.ok(next > it.clock.now())
})
