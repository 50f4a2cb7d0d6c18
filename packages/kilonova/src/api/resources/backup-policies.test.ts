/** Backup policies over HTTP: made, changed, listed and removed; what makes no sense is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, cloud } from '../testing/cloud.ts'

const path = '/kilonova/backup-policies'
const nightly = { name: 'nightly', schedule: { every: 'day', at: '03:00' }, rotation: 7, servers: { tag: 'keep' } }

test('a policy is made, shown, changed and removed by its project, and is not there for others', async (t) => {
  const it = await cloud(t)
  const made = await it.call('POST', path, { json: { backup_policy: nightly } })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const id = String(at(made, 'backup_policy', 'id'))
  assert.deepEqual(at(made, 'backup_policy', 'schedule'), nightly.schedule)
  assert.match(String(at(made, 'backup_policy', 'next_run_at')), /T03:00:00Z$/)
  const changed = await it.call('PUT', `${path}/${id}`, { json: { backup_policy: { enabled: false, rotation: 2 } } })
  assert.deepEqual(
    [changed.status, at(changed, 'backup_policy', 'rotation'), at(changed, 'backup_policy', 'next_run_at')],
    [200, 2, null],
  )
  assert.deepEqual(at(await it.call('GET', path, { as: 'other' }), 'backup_policies'), [])
  assert.equal((await it.call('GET', `${path}/${id}`, { as: 'other' })).status, 404)
  assert.equal((await it.call('GET', `${path}?all_projects=1`, { as: 'other' })).status, 403)
  const all = await it.call('GET', `${path}?all_projects=1`, { as: 'admin' })
  assert.equal((at(all, 'backup_policies') as unknown[]).length, 1)
  assert.equal((await it.call('DELETE', `${path}/${id}`)).status, 204)
  assert.equal((await it.call('GET', `${path}/${id}`)).status, 404)
})

test('what makes no sense is a 400', async (t) => {
  const it = await cloud(t)
  for (const wrong of [
    { schedule: { every: 'day', at: '24:00' } },
    { schedule: { every: 'day' } },
    { schedule: { every: 'week', at: '03:00', weekday: 7 } },
    { schedule: { every: 'month' } },
    { rotation: 0 },
    { servers: {} },
    { servers: { ids: [] } },
    { servers: { ids: ['x'] } },
    { servers: { all: false } },
    { servers: { all: true, tag: 'x' } },
    { name: '' },
    { more: 1 },
  ]) {
    const answer = await it.call('POST', path, { json: { backup_policy: { ...nightly, ...wrong } } })
    assert.equal(answer.status, 400, JSON.stringify(wrong))
  }
})
