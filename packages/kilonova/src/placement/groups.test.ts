/** Servers of a group that are placed at the same moment keep its policy, whatever the scheduler's memory and filters say. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { newId } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { keepReport } from '../db/hosts.ts'
import { deleteServerGroup, insertServerGroup } from '../db/server-groups.ts'
import { insertServer } from '../db/servers.ts'
import { openTask, testDatabase } from '../db/testing/test-database.ts'
import { demoServer } from '../domain/server-fixture.ts'
import type { ServerGroup } from '../domain/server-group.ts'
import { client } from '../rpc/contract.ts'
import { memoryBus } from '../rpc/memory/bus.ts'
import { scheduler, SCHEDULER, type Placement } from '../rpc/scheduler.ts'
import { fakeReport } from '../virt/fake/report.ts'
import { startScheduler } from './scheduler.ts'

const ROOM = ['ComputeFilter', 'CoreFilter', 'RamFilter', 'DiskFilter']
const ALL = [
  ...ROOM,
  'ServerGroupAntiAffinityFilter',
  'ServerGroupAffinityFilter',
  'SameHostFilter',
  'DifferentHostFilter',
]

interface Wish {
  readonly hosts: number
  readonly enabledFilters: readonly string[]
}
async function placement(t: TestContext, { hosts, enabledFilters }: Wish) {
  const db = await testDatabase(t)
  const clock = { now: () => 1_000_000 }
  const capacity = { vcpus: 100, memoryMb: 100_000, diskGb: 1000 }
  for (let n = 0; n < hosts; n++)
    await keepReport(
      db,
      fakeReport(`host-${n}`, capacity, { diskGb: 0, runningServers: 0, uptimeSeconds: 0 }),
      'nova',
      clock.now(),
    )
  const weights: Record<string, number> = {}
  const options = {
    enabledFilters,
    multipliers: weights,
    defaultArchitecture: null,
    cpuAllocationRatio: 1,
    ramAllocationRatio: 1,
    diskAllocationRatio: 1,
    reservedHostMemoryMb: 0,
    reservedHostDiskMb: 0,
    serviceDownMs: 60_000,
  }
  // Two of them, each with a memory of its own, as two processes have.
  const [one, two] = [1, 2].map(() => {
    const other = memoryBus()
    const daemon = startScheduler({ db, bus: other, clock, log: silentLog, options })
    t.after(async () => {
      await daemon.close()
      await other.close()
    })
    return { place: client(scheduler, other, SCHEDULER, { requestId: 'r', userId: '', projectId: '' }).place }
  })
  assert.ok(one && two)

  const group = async (more: Partial<ServerGroup>): Promise<string> => {
    const id = newId()
    const plain = { id, name: 'g', projectId: 'p', userId: 'u', policy: 'anti-affinity', maxPerHost: null } as const
    await insertServerGroup(db, { ...plain, ...more }, 0)
    return id
  }
  /** One server more; every other one is asked of the other scheduler. */
  let number = 0
  const ask = async (groupId: string | null, hints: Record<string, unknown> = {}, together: string | null = null) => {
    const { taskId: _t, epoch: _e, ...server } = demoServer({ vmState: 'building' })
    const [consumerId, taskId] = [newId(), newId()]
    await insertServer(db, { ...server, id: consumerId, groupId, reservationId: together ?? newId() }, taskId)
    const task = await openTask(db, consumerId, { id: taskId })
    const resources = { vcpus: 1, memoryMb: 512, diskGb: 1 }
    const spec = { resources, zone: null, onlyHost: null, forced: false, hints, imageProperties: {}, extraSpecs: {} }
    const place = (number++ % 2 === 0 ? one : two).place
    return {
      consumerId,
      place: async () => {
        const answer = await place({ task, consumerId, projectId: 'p', seed: consumerId, groupId, together, spec })
        if (answer.placed)
          await db.updateTable('servers').set({ host: answer.host }).where('id', '=', consumerId).execute()
        return answer
      },
    }
  }
  const several = async (count: number, ...wish: Parameters<typeof ask>): Promise<readonly Placement[]> => {
    const asked = await Promise.all(Array.from({ length: count }, () => ask(...wish)))
    return Promise.all(asked.map(({ place }) => place()))
  }
  return { db, group, ask, several, weights }
}
const hostsOf = (answers: readonly Placement[]): readonly string[] =>
  answers.flatMap((answer) => (answer.placed ? [answer.host] : []))
const most = (hosts: readonly string[]): number =>
  Math.max(0, ...Object.values(Object.groupBy(hosts, (host) => host)).map((same) => same?.length ?? 0))

for (const enabledFilters of [ROOM, ALL]) {
  const how = enabledFilters === ALL ? '' : ', even without the filters'
  test(`of fifty servers for eight hosts at once, anti-affinity places eight, each alone${how}`, async (t) => {
    const { group, several } = await placement(t, { hosts: 8, enabledFilters })
    const hosts = hostsOf(await several(50, await group({})))
    assert.deepEqual([hosts.length, most(hosts)], [8, 1])
  })

  test(`a host gets as many of the group as its rule allows${how}`, async (t) => {
    const { group, several } = await placement(t, { hosts: 3, enabledFilters })
    const hosts = hostsOf(await several(20, await group({ maxPerHost: 2 })))
    assert.deepEqual([hosts.length, most(hosts)], [6, 2])
  })

  test(`twenty servers at once of an affinity group end on one host${how}`, async (t) => {
    const { group, several } = await placement(t, { hosts: 4, enabledFilters })
    const hosts = hostsOf(await several(20, await group({ policy: 'affinity' })))
    assert.equal(new Set(hosts).size, 1)
    assert.equal(hosts.length, 20)
  })
}

test('why a group has no room is said', async (t) => {
  const { group, several } = await placement(t, { hosts: 1, enabledFilters: ALL })
  const id = await group({})
  const [first, second] = [(await several(1, id))[0], (await several(1, id))[0]]
  assert.ok(first?.placed && second && !second.placed)
  assert.equal(second.explanation, '1 host: 1 has servers of the same group already.')
})

test('soft policies are wishes: spread or gathered, and placed all the same', async (t) => {
  const { group, several, weights } = await placement(t, { hosts: 3, enabledFilters: ALL })
  const oneByOne = async (policy: ServerGroup['policy'], count: number, multipliers: Record<string, number>) => {
    Object.assign(weights, multipliers)
    const id = await group({ policy })
    const hosts: string[] = []
    for (let n = 0; n < count; n++) hosts.push(...hostsOf(await several(1, id)))
    return [hosts.length, most(hosts)]
  }
  assert.deepEqual(await oneByOne('soft-anti-affinity', 6, {}), [6, 2])
  assert.deepEqual(await oneByOne('soft-affinity', 6, { soft_affinity_weight_multiplier: 10 }), [6, 6])
})

test('servers of one request are a group’s, too: all apart, or none', async (t) => {
  const { group, ask } = await placement(t, { hosts: 4, enabledFilters: ALL })
  const together = async (count: number) => {
    const [id, reservation] = [await group({}), newId()]
    const asked = []
    for (let n = 0; n < count; n++) asked.push(await ask(id, {}, reservation))
    return Promise.all(asked.map(({ place }) => place()))
  }
  const four = await together(4)
  assert.equal(new Set(hostsOf(four)).size, 4)
  const five = await together(5)
  assert.deepEqual(hostsOf(five), [])
  for (const answer of five)
    assert.equal(
      answer.placed ? '' : answer.explanation,
      '4 of 5 servers find room. 4 hosts: 4 have servers of the same group already.',
    )
})

test('a group that is gone binds nobody', async (t) => {
  const { db, group, ask, several } = await placement(t, { hosts: 1, enabledFilters: ALL })
  const id = await group({})
  await several(1, id)
  const late = await ask(id)
  await deleteServerGroup(db, id)
  assert.equal((await late.place()).placed, true)
})

test('hints put a server with others, or away from them', async (t) => {
  const { ask } = await placement(t, { hosts: 5, enabledFilters: ALL })
  const first = await ask(null)
  const [at] = hostsOf([await first.place()])
  const place = async (hints: Record<string, unknown>) => hostsOf([await (await ask(null, hints)).place()])
  assert.deepEqual(await place({ same_host: first.consumerId }), [at])
  for (let n = 0; n < 5; n++) assert.notDeepEqual(await place({ different_host: [first.consumerId] }), [at])
  assert.deepEqual(await place({ same_host: [newId()] }), [], 'the other one is not there')
})
