import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from '@kilonova/base/clock.ts'
import { usedByHost } from '../db/allocations.ts'
import { finishTask } from '../db/tasks.ts'
import { openTask, testDatabase } from '../db/testing/test-database.ts'
import type { HostState } from '../scheduler/host-state.ts'
import { claim, release, type Wanted } from './claim.ts'

const ROOM = { vcpus: 2, memoryMb: 512, diskGb: 1 }
const WANTED: Wanted = { projectId: 'project', groupId: null, resources: ROOM }
const hostWith = (vcpus: number, host = 'host-1'): HostState => ({
  host,
  hypervisorHostname: host,
  up: true,
  disabled: false,
  disabledReason: null,
  zone: 'nova',
  capacity: { vcpus, memoryMb: 100_000, diskGb: 1000 },
  used: { vcpus: 0, memoryMb: 0, diskGb: 0 },
  largest: { vcpus, memoryMb: 100_000, diskGb: 1000 },
  hardware: { features: [], hugePages: [] },
  supportedInstances: [],
  address: '192.0.2.1',
  servers: 0,
})

test('of fifty claims at once for the last room of a host, exactly one gets it', async (t) => {
  const db = await testDatabase(t)
  const servers = Array.from({ length: 50 }, newId)
  const tasks = await Promise.all(servers.map((server) => openTask(db, server)))
  const results = await Promise.all(
    servers.map((server, index) =>
      claim(db, tasks[index] ?? assert.fail(), WANTED, { consumerId: server, host: hostWith(3) }, 0),
    ),
  )
  assert.equal(results.filter(({ outcome }) => outcome === 'claimed').length, 1)
  assert.equal(results.filter(({ outcome }) => outcome === 'full').length, 49)
  assert.deepEqual(await usedByHost(db), { 'host-1': { ...ROOM, servers: 1 } })
})

test('a request that arrives many times at once, and chooses another host each time, claims once', async (t) => {
  const db = await testDatabase(t)
  const server = newId()
  const task = await openTask(db, server)
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      claim(db, task, WANTED, { consumerId: server, host: hostWith(8, `host-${n % 4}`) }, 0),
    ),
  )
  assert.equal(results.filter(({ outcome }) => outcome === 'claimed').length, 1)
  assert.equal(results.filter(({ outcome }) => outcome === 'already').length, 19)
  assert.equal(Object.keys(await usedByHost(db)).length, 1)
})

test('a claim or a release that arrives after its task has ended, or under an old epoch, changes nothing', async (t) => {
  const db = await testDatabase(t)
  const server = newId()
  const task = await openTask(db, server)
  await assert.rejects(claim(db, { ...task, epoch: 7 }, WANTED, { consumerId: server, host: hostWith(8) }, 0), {
    name: 'StaleClaimError',
  })
  assert.deepEqual(await usedByHost(db), {})
  await claim(db, task, WANTED, { consumerId: server, host: hostWith(8) }, 0)
  await finishTask(db, task.id, 'succeeded', null, 1)
  await assert.rejects(release(db, task, server), { name: 'StaleClaimError' })
  await assert.rejects(claim(db, task, WANTED, { consumerId: newId(), host: hostWith(8) }, 0), {
    name: 'StaleClaimError',
  })
  assert.equal((await usedByHost(db))['host-1']?.servers, 1)
})
