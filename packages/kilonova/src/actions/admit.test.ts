import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId, systemClock } from '@kilonova/base/clock.ts'
import { usedByProject } from '../db/server-lookups.ts'
import { findServer, transition, type NewServer } from '../db/servers.ts'
import { findTask } from '../db/tasks.ts'
import { testDatabase } from '../db/testing/test-database.ts'
import { NovaError } from '../domain/errors.ts'
import { demoServer } from '../domain/server-fixture.ts'
import type { Server } from '../domain/server.ts'
import { TASK_ADMITTED, TASK_CANCELLED } from '../rpc/conductor.ts'
import { memoryBus } from '../rpc/memory/bus.ts'
import { setQuota, setUserQuota, type QuotaDefaults } from '../db/quotas.ts'
import { admit, admitCreate, type Caller } from './admit.ts'
import { deleteServer } from './delete.ts'
import { start } from './start.ts'
import { stop } from './stop.ts'

const CALLER: Caller = { userId: 'alice', projectId: 'project-1', requestId: 'req-1', isAdmin: false }
const BODY = { onlyHost: null, securityGroupIds: [] }
const LIMITS: QuotaDefaults = { instances: 10, cores: -1, ram: -1 }

const newServer = (wish: Partial<Server> = {}): NewServer => {
  const {
    taskId: _t,
    epoch: _e,
    ...server
  } = demoServer({ vmState: 'building', taskState: 'scheduling', powerState: 'nostate', ...wish })
  return { ...server, id: newId() }
}
async function admission(t: Parameters<typeof testDatabase>[0]) {
  const db = await testDatabase(t)
  const bus = memoryBus()
  return { db, bus, clock: systemClock() }
}
/** An active server that no task owns. */
async function activeServer(to: Awaited<ReturnType<typeof admission>>): Promise<string> {
  const server = newServer()
  await admitCreate(to, CALLER, [server], BODY, { instances: -1, cores: -1, ram: -1 })
  const row = await findServer(to.db, server.id)
  assert.ok(
    row &&
      (await transition(to.db, row, { vmState: 'active', taskState: null, taskId: null, powerState: 'running' }, 1)),
  )
  await to.db.updateTable('servers').set({ host: 'host-1' }).where('id', '=', server.id).execute()
  return server.id
}
const names = (results: readonly PromiseSettledResult<unknown>[]): readonly string[] =>
  results.map((result) =>
    result.status === 'fulfilled'
      ? 'admitted'
      : result.reason instanceof NovaError
        ? result.reason.name
        : String(result.reason),
  )
const count = (words: readonly string[], word: string): number => words.filter((each) => each === word).length

test('of fifty creates at once for the last unit of quota, exactly one is admitted', async (t) => {
  const to = await admission(t)
  await admitCreate(
    to,
    CALLER,
    Array.from({ length: 9 }, () => newServer()),
    BODY,
    LIMITS,
  )
  const words = names(
    await Promise.allSettled(Array.from({ length: 50 }, () => admitCreate(to, CALLER, [newServer()], BODY, LIMITS))),
  )
  assert.deepEqual([count(words, 'admitted'), count(words, 'TooManyInstances')], [1, 49])
  assert.equal((await usedByProject(to.db, 'project-1')).instances, 10)
})

test('of fifty creates at once of all sizes, by two users, no sum goes over any limit', async (t) => {
  const to = await admission(t)
  await setQuota(to.db, 'project-1', 'cores', 31)
  await setQuota(to.db, 'project-1', 'ram', 20_000)
  await setUserQuota(to.db, 'project-1', 'bob', 'instances', 3)
  const sizes = Array.from({ length: 50 }, (_, n) => {
    const { flavor } = demoServer()
    const userId = n % 2 === 0 ? 'alice' : 'bob'
    return newServer({ userId, flavor: { ...flavor, vcpus: 1 + (n % 4), memoryMb: 256 * (1 + (n % 3)) } })
  })
  const words = names(
    await Promise.allSettled(sizes.map((server) => admitCreate(to, CALLER, [server], BODY, { instances: 20 }))),
  )
  assert.equal(count(words, 'admitted') + count(words, 'TooManyInstances'), 50)
  const [all, ofBob] = [await usedByProject(to.db, 'project-1'), await usedByProject(to.db, 'project-1', 'bob')]
  assert.equal(all.instances, count(words, 'admitted'))
  assert.ok(all.instances <= 20 && all.cores <= 31 && all.ram <= 20_000 && ofBob.instances === 3, JSON.stringify(all))
  const one = { ...demoServer().flavor, vcpus: 1, memoryMb: 1 }
  const room = Math.min(20 - all.instances, 31 - all.cores)
  const last = await Promise.allSettled(
    Array.from({ length: room + 5 }, () =>
      admitCreate(to, CALLER, [newServer({ userId: 'alice', flavor: one })], BODY, { instances: 20 }),
    ),
  )
  assert.equal(count(names(last), 'admitted'), room, 'what was left is given out to the last unit')
})

test('a create of many is admitted whole or not at all, and says what was exceeded', async (t) => {
  const to = await admission(t)
  const many = Array.from({ length: 3 }, () => newServer())
  await assert.rejects(admitCreate(to, CALLER, many, BODY, { instances: 2, cores: 2, ram: -1 }), {
    name: 'TooManyInstances',
    message: 'Quota exceeded for cores, instances: Requested 3, 3, but already used 0, 0 of 2, 2 cores, instances',
  })
  assert.equal((await usedByProject(to.db, 'project-1')).instances, 0)
})

test('of twenty creates at once with the same port, exactly one is admitted', async (t) => {
  const to = await admission(t)
  const portId = newId()
  const one = () => admitCreate(to, CALLER, [newServer({ requestedNics: [{ portId }] })], BODY, LIMITS)
  const words = names(await Promise.allSettled(Array.from({ length: 20 }, one)))
  assert.deepEqual([count(words, 'admitted'), count(words, 'PortInUse')], [1, 19])
})

test('of stop and other actions asked for at once, one wins and the others are told so', async (t) => {
  const to = await admission(t)
  const id = await activeServer(to)
  const words = names(await Promise.allSettled(Array.from({ length: 20 }, () => admit(to, CALLER, stop, id, null))))
  assert.deepEqual([count(words, 'admitted'), count(words, 'InstanceInvalidState')], [1, 19])
  const tasks = await to.db.selectFrom('tasks').select('id').where('action', '=', 'stop').execute()
  assert.deepEqual(
    tasks.map((task) => task.id),
    [(await findServer(to.db, id))?.taskId],
  )
})

test('twenty deletes at once leave one task, and all are accepted', async (t) => {
  const to = await admission(t)
  const id = await activeServer(to)
  const words = names(
    await Promise.allSettled(Array.from({ length: 20 }, () => admit(to, CALLER, deleteServer, id, null))),
  )
  assert.equal(count(words, 'admitted'), 20)
  assert.equal((await to.db.selectFrom('tasks').select('id').where('action', '=', 'delete').execute()).length, 1)
})

test('a delete cancels the task that runs, and comes after it', async (t) => {
  const to = await admission(t)
  const id = await activeServer(to)
  const heard: unknown[] = []
  await admit(to, CALLER, stop, id, null)
  const stopping = (await findServer(to.db, id))?.taskId ?? ''
  const both = Promise.withResolvers<void>()
  for (const topic of [TASK_CANCELLED, TASK_ADMITTED])
    to.bus.subscribe(topic, (event) => void (heard.push([topic, event]) === 2 && both.resolve()))
  await admit(to, CALLER, deleteServer, id, null)
  await both.promise
  const server = await findServer(to.db, id)
  const task = await findTask(to.db, server?.taskId ?? '')
  assert.deepEqual(
    [server?.taskState, task?.action, task?.after_task_id, (await findTask(to.db, stopping))?.cancelled_by],
    ['deleting', 'delete', stopping, 'delete'],
  )
  assert.deepEqual(JSON.parse(task?.admitted ?? ''), { vmState: 'active', taskState: null, powerState: 'running' })
  assert.deepEqual(heard, [
    [TASK_CANCELLED, { taskId: stopping, by: 'delete' }],
    [TASK_ADMITTED, { taskId: task?.id }],
  ])
})

test('what may not be done now is refused, and nothing is written', async (t) => {
  const to = await admission(t)
  const id = await activeServer(to)
  const before = await findServer(to.db, id)
  await assert.rejects(admit(to, CALLER, start, id, null), {
    name: 'InstanceInvalidState',
    message: `Cannot 'start' instance ${id} while it is in vm_state active`,
  })
  await assert.rejects(admit(to, CALLER, start, newId(), null), { name: 'InstanceNotFound' })
  assert.deepEqual(await findServer(to.db, id), before)
  assert.equal((await to.db.selectFrom('tasks').select('id').where('action', '=', 'start').execute()).length, 0)
})
