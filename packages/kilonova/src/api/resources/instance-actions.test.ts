/** Instance actions over HTTP: what tasks and journals say, under upstream's names and at each version. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appendJournal, finishTask } from '../../db/tasks.ts'
import { at, cloud, server, settled } from '../testing/cloud.ts'

test('a task is shown as an action with an event for the whole and one per step', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  const path = `/servers/${id}/os-instance-actions`
  const list = await it.call('GET', path)
  const requestId = String(at(list, 'instanceActions', 0, 'request_id'))
  assert.deepEqual(
    [at(list, 'instanceActions', 0, 'action'), at(list, 'instanceActions', 0, 'updated_at')],
    ['create', undefined],
  )
  assert.match(requestId, /^req-/)
  const { id: task } = await it.db.selectFrom('tasks').select('id').executeTakeFirstOrThrow()
  const now = it.clock.now()
  await appendJournal(
    it.db,
    task,
    0,
    [
      { event: 'started', step: 'claim', data: undefined, host: null },
      { event: 'done', step: 'claim', data: { host: 'host1' }, host: null },
      { event: 'started', step: 'ports', data: undefined, host: 'host1' },
      { event: 'failed', step: 'ports', data: 'no address left', host: 'host1' },
    ],
    now,
  )
  await finishTask(it.db, task, 'undone', 'no address left', now)

  const user = await it.call('GET', `${path}/${requestId}`, { version: '2.51' })
  const names = (answer: typeof user) =>
    (at(answer, 'instanceAction', 'events') as { event: string; result: string }[]).map(({ event, result }) => [
      event,
      result,
    ])
  assert.deepEqual(names(user), [
    ['compute__do_build_and_run_instance', 'Error'],
    ['kilonova:claim', 'Success'],
    ['kilonova:ports', 'Error'],
  ])
  assert.equal(at(user, 'instanceAction', 'message'), 'Error')
  assert.equal(at(user, 'instanceAction', 'events', 2, 'traceback'), undefined)
  assert.equal(
    at(await it.call('GET', `${path}/${requestId}`), 'instanceAction', 'events'),
    undefined,
    'before 2.51 only administrators see events',
  )
  const admin = await it.call('GET', `${path}/${requestId}`, { as: 'admin', version: '2.84' })
  assert.deepEqual(
    [
      at(admin, 'instanceAction', 'events', 2, 'traceback'),
      at(admin, 'instanceAction', 'events', 2, 'host'),
      at(admin, 'instanceAction', 'events', 2, 'details'),
    ],
    ['no address left', 'host1', 'no address left'],
  )
  assert.equal((await it.call('GET', `${path}/req-00000000-0000-0000-0000-000000000000`)).status, 404)
  assert.equal((await it.call('GET', path, { as: 'other' })).status, 404)
})

test('actions are newest first, paged from 2.58, and stay when the server is gone', async (t) => {
  const it = await cloud(t)
  const id = await server(it)
  const path = `/servers/${id}/os-instance-actions`
  await settled(it, id)
  it.pass(1000)
  assert.equal((await it.call('POST', `/servers/${id}/action`, { json: { 'os-stop': null } })).status, 202)
  const actions = (answer: Awaited<ReturnType<typeof it.call>>) =>
    (at(answer, 'instanceActions') as { action: string }[]).map(({ action }) => action)
  assert.deepEqual(actions(await it.call('GET', path)), ['stop', 'create'])
  const first = await it.call('GET', `${path}?limit=1`, { version: '2.58' })
  assert.deepEqual(actions(first), ['stop'])
  const next = new URL(String(at(first, 'links', 0, 'href')))
  assert.deepEqual(actions(await it.call('GET', `${next.pathname}${next.search}`, { version: '2.58' })), ['create'])
  assert.equal((await it.call('GET', `${path}?changes-before=1970-01-01T00:00:00Z`, { version: '2.66' })).status, 200)
  assert.equal((await it.call('GET', `${path}?changes-before=1970-01-01T00:00:00Z`, { version: '2.58' })).status, 400)
  await it.db.updateTable('servers').set({ deleted_at: it.clock.now() }).execute()
  assert.deepEqual(actions(await it.call('GET', path, { version: '2.21' })), ['stop', 'create'])
  const requestId = String(at(await it.call('GET', path, { version: '2.21' }), 'instanceActions', 0, 'request_id'))
  const status = async (path: string, version: string) => (await it.call('GET', path, { version })).status
  assert.deepEqual(
    [
      await status(path, '2.20'),
      await status(`${path}/${requestId}`, '2.20'),
      await status(`${path}/${requestId}`, '2.21'),
    ],
    [404, 404, 200],
    'until 2.20 it was not there',
  )
})
