/** The thread that lists: the same answers as without it, its errors too, and answers also while it cannot start. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@kilonova/base/clock.ts'
import { openKilonovaDatabase } from '../db/database.ts'
import { testDatabase } from '../db/testing/test-database.ts'
import { insertServer, type NewServer } from '../db/servers.ts'
import type { ServerFilter } from '../db/server-list.ts'
import { listThread } from './list-thread.ts'
import { renderServers } from './render-servers.ts'
import type { ServerAt } from './resources/server-view.ts'
import { flavorOf } from './testing/cloud.ts'

const newServer = (id: string, createdAt: number): NewServer => ({
  id,
  name: id,
  description: null,
  hostname: id,
  projectId: 'p',
  userId: 'u',
  vmState: 'building',
  taskState: 'scheduling',
  powerState: 'nostate',
  availabilityZone: null,
  pinnedZone: null,
  schedulerHints: {},
  localDisks: null,
  flavor: flavorOf(),
  image: null,
  keyName: null,
  keyType: null,
  publicKey: null,
  userData: null,
  configDrive: false,
  metadata: {},
  requestedNics: [],
  securityGroups: ['default'],
  accessIpV4: null,
  accessIpV6: null,
  diskConfig: 'AUTO',
  reservationId: 'r-1',
  launchIndex: 0,
  rootDeviceName: '/dev/vda',
  createdAt,
})
const viewer: ServerAt = {
  minor: 47,
  base: 'http://x/v2.1',
  bookmark: 'http://x',
  path: '/servers/detail',
  search: '',
  isAdmin: true,
  extended: true,
  hostStatus: 'all',
  extraSpecs: true,
  serviceDownMs: 60_000,
}
const filter: ServerFilter = {
  equal: { project_id: ['p'] },
  deleted: 'no',
  sort: [{ column: 'created_at', descending: true }],
  limit: 10,
}

test('the thread answers as this thread does, also with an error, and sees what was just written', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lister-'))
  const file = join(folder, 'db.sqlite')
  const database = await openKilonovaDatabase({ url: `sqlite:${file}`, synchronous: 'normal' })
  const db = database.kysely
  const clock = systemClock()
  const lister = listThread(db, file, clock)
  t.after(async () => {
    await lister.close()
    await database.close()
    rmSync(folder, { recursive: true })
  })
  for (const id of ['a', 'b', 'c']) await insertServer(db, newServer(id, 1000), `task-${id}`)
  const ask = { detail: true, filter, at: viewer }
  const expected = String(await renderServers(db, ask, clock.now()))
  assert.deepEqual(
    (JSON.parse(expected) as { servers: { id: string }[] }).servers.map(({ id }) => id),
    ['c', 'b', 'a'],
  )
  assert.equal(String(await lister.page(ask)), expected)
  await lister.up()
  assert.equal(String(await lister.page(ask)), expected)
  await insertServer(db, newServer('d', 2000), 'task-d')
  assert.match(String(await lister.page({ ...ask, detail: false })), /^\{"servers":\[\{"id":"d"/)
  await assert.rejects(lister.page({ ...ask, filter: { ...filter, marker: 'nobody' } }), {
    name: 'MarkerNotFound',
    kind: 'badRequest',
  })
  const many = await Promise.all(Array.from({ length: 20 }, () => lister.page(ask)))
  assert.ok(many.every((page) => String(page) === String(many[0])))
})

test('a thread that cannot start does not keep anybody from an answer', async (t) => {
  const db = await testDatabase(t)
  await insertServer(db, newServer('a', 1000), 'task-a')
  const lister = listThread(db, join(tmpdir(), 'there is no such folder', 'db.sqlite'), systemClock())
  t.after(() => lister.close())
  for (let count = 0; count < 3; count++) {
    assert.match(String(await lister.page({ detail: false, filter, at: viewer })), /"id":"a"/)
    await lister.ended()
  }
})
