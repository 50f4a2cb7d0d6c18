/** Migrations over HTTP: who sees which, by filter, page and version; and what is said of those that are not there. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from '@kilonova/base/clock.ts'
import { insertMigration } from '../../db/server-migrations.ts'
import type { Migration } from '../../domain/migration.ts'
import { ADMIN_PROJECT, at, cloud, PROJECT, server, settled, type Cloud } from '../testing/cloud.ts'

const AT = Date.parse('2026-01-01T00:00:00Z')
async function migrated(it: Cloud, serverId: string, change: Partial<Migration> = {}): Promise<string> {
  const id = newId()
  await insertMigration(it.db, {
    id,
    serverId,
    projectId: PROJECT,
    userId: 'alice',
    type: 'live-migration',
    status: 'running',
    sourceHost: 'host1',
    sourceHypervisor: 'host1.example',
    destHost: 'host2',
    destHypervisor: 'host2.example',
    destIp: '192.0.2.2',
    oldFlavorNumber: 1,
    newFlavorNumber: 1,
    progress: {
      memoryTotalBytes: 100,
      memoryProcessedBytes: 60,
      memoryRemainingBytes: 40,
      diskTotalBytes: 0,
      diskProcessedBytes: 0,
      diskRemainingBytes: 0,
    },
    createdAt: AT,
    updatedAt: AT + 1000,
    ...change,
  })
  return id
}
async function scene(t: Parameters<typeof cloud>[0]) {
  const it = await cloud(t)
  const id = await server(it)
  await settled(it, id)
  const manager = it.identities.get('member')
  it.identities.set('manager', { ...(manager as object), roles: ['manager', 'member', 'reader'] } as never)
  const list = (query: string, version = '2.80', as = 'admin') =>
    it.call('GET', `/os-migrations${query}`, { as, version })
  const ids = async (query: string, version?: string) =>
    (at(await list(query, version), 'migrations') as { uuid?: string; id: number }[]).map(
      ({ uuid, id: n }) => uuid ?? n,
    )
  return { it, id, list, ids }
}

test('a migration is shown as each version has it, to operators', async (t) => {
  const { it, id, list } = await scene(t)
  const uuid = await migrated(it, id)
  const first = async (version: string) => at(await list('', version), 'migrations', 0) as Record<string, unknown>
  const old = {
    id: 1,
    instance_uuid: id,
    status: 'running',
    source_compute: 'host1',
    source_node: 'host1.example',
    dest_compute: 'host2',
    dest_node: 'host2.example',
    dest_host: '192.0.2.2',
    old_instance_type_id: 1,
    new_instance_type_id: 1,
    created_at: '2026-01-01T00:00:00.000000',
    updated_at: '2026-01-01T00:00:01.000000',
  }
  assert.deepEqual(await first('2.22'), old)
  const { links, ...typed } = await first('2.23')
  assert.deepEqual(typed, { ...old, migration_type: 'live-migration' })
  assert.match(JSON.stringify(links), new RegExp(`servers/${id}/migrations/1`))
  assert.equal((await first('2.59'))['uuid'], uuid)
  const { user_id: user, project_id: project } = await first('2.80')
  assert.deepEqual([user, project], ['alice', PROJECT])
})

test('they are filtered, and paged from 2.59', async (t) => {
  const { it, id, list, ids } = await scene(t)
  const other = newId()
  const one = await migrated(it, id)
  const two = await migrated(it, id, { type: 'resize', status: 'finished', createdAt: AT + 1, updatedAt: AT + 5000 })
  const three = await migrated(it, other, { sourceHost: 'host3', destHost: 'host4', createdAt: AT + 2 })
  assert.deepEqual(await ids(''), [three, two, one])
  assert.deepEqual(await ids('', '2.58'), [1, 2, 3])
  assert.deepEqual(await ids('?host=host2'), [two, one])
  assert.deepEqual(await ids('?source_compute=host3'), [three])
  assert.deepEqual(await ids(`?instance_uuid=${other}`), [three])
  assert.deepEqual(await ids('?status=finished'), [two])
  assert.deepEqual(await ids('?migration_type=resize'), [two])
  assert.deepEqual(await ids('?hidden=true'), [])
  assert.deepEqual(await ids('?changes-since=2026-01-01T00:00:03Z'), [two])
  assert.deepEqual(await ids('?changes-before=2026-01-01T00:00:03Z'), [three, one])
  assert.deepEqual(await ids('?user_id=bob'), [])
  const page = await list('?limit=2')
  assert.match(String(at(page, 'migrations_links', 0, 'href')), new RegExp(`marker=${two}`))
  assert.deepEqual(await ids(`?limit=2&marker=${two}`), [one])
  for (const [query, version] of [
    ['?marker=none', '2.59'],
    ['?limit=x', '2.59'],
    ['?unknown=1', '2.59'],
    ['?changes-before=2026-01-01T00:00:00Z', '2.65'],
    ['?changes-since=2027-01-01T00:00:00Z&changes-before=2026-01-01T00:00:00Z', '2.66'],
    ['?project_id=p', '2.79'],
  ] as const)
    assert.equal((await list(query, version)).status, 400, query)
  assert.equal((await list('?unknown=1', '2.58')).status, 200)
})

test('managers see their project’s from 2.80, without hosts; nobody else sees any', async (t) => {
  const { it, id, list } = await scene(t)
  await migrated(it, id)
  const mine = await list(`?project_id=${PROJECT}`, '2.80', 'manager')
  assert.deepEqual(
    ['dest_compute', 'dest_host', 'dest_node', 'source_compute', 'source_node', 'status'].map((key) =>
      at(mine, 'migrations', 0, key),
    ),
    [null, null, null, null, null, 'running'],
  )
  assert.equal((await list('', '2.80', 'manager')).status, 403)
  assert.equal((await list(`?project_id=${PROJECT}`, '2.58', 'manager')).status, 403)
  assert.equal((await list(`?project_id=${ADMIN_PROJECT}`, '2.80', 'manager')).status, 403)
  assert.equal((await list(`?project_id=${PROJECT}`, '2.80', 'member')).status, 403)
})

test('the live migrations of a server that run are its own resource', async (t) => {
  const { it, id } = await scene(t)
  const uuid = await migrated(it, id)
  await migrated(it, id, { status: 'completed' })
  await migrated(it, id, { type: 'resize', status: 'migrating' })
  const path = `/servers/${id}/migrations`
  const get = (more: string, as = 'admin', version = '2.80') => it.call('GET', `${path}${more}`, { as, version })
  const all = at(await get(''), 'migrations') as Record<string, unknown>[]
  assert.deepEqual(
    all.map((one) => [one['id'], one['uuid'], one['memory_processed_bytes'], one['dest_host'], one['project_id']]),
    [[1, uuid, 60, '192.0.2.2', PROJECT]],
  )
  assert.equal(at(await get('', 'manager'), 'migrations', 0, 'dest_host'), null)
  assert.equal((await get('', 'member')).status, 403)
  assert.equal(at(await get('/1', 'admin', '2.23'), 'migration', 'server_uuid'), id)
  assert.equal((await get('/1', 'manager')).status, 403)
  for (const [number, words] of [
    ['2', `Live migration 2 for server ${id} is not in progress.`],
    ['3', `Migration 3 for server ${id} is not live-migration.`],
    ['9', `In-progress live migration 9 is not found for server ${id}.`],
    ['x', `In-progress live migration x is not found for server ${id}.`],
  ] as const) {
    const answer = await get(`/${number}`)
    assert.deepEqual([answer.status, at(answer, 'itemNotFound', 'message')], [404, words])
  }
})

test('none is aborted or forced that does not run', async (t) => {
  const { it, id } = await scene(t)
  await migrated(it, id, { status: 'completed' })
  const path = `/servers/${id}/migrations`
  const abort = (number: string) => it.call('DELETE', `${path}/${number}`, { as: 'manager', version: '2.65' })
  const force = (number: string, json: unknown = { force_complete: null }) =>
    it.call('POST', `${path}/${number}/action`, { as: 'manager', version: '2.65', json })
  assert.deepEqual([(await abort('1')).status, (await force('1')).status], [409, 409], 'nothing migrates')
  await it.db.updateTable('servers').set({ task_state: 'migrating' }).where('id', '=', id).execute()
  assert.equal(at(await it.call('GET', `/servers/${id}`), 'server', 'status'), 'MIGRATING')
  assert.deepEqual([(await abort('9')).status, (await force('9')).status], [404, 400])
  assert.deepEqual([(await abort('1')).status, (await force('1')).status], [400, 400], 'it is over')
  assert.equal((await force('1', { other: null })).status, 400)
  await it.db.updateTable('servers').set({ locked: 1 }).where('id', '=', id).execute()
  assert.deepEqual([(await abort('1')).status, (await force('1')).status], [409, 409], 'locked')
})
