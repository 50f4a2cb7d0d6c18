import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { newId } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { usedByHost } from '../db/allocations.ts'
import { keepReport } from '../db/hosts.ts'
import { openTask, testDatabase } from '../db/testing/test-database.ts'
import { client } from '../rpc/contract.ts'
import { memoryBus } from '../rpc/memory/bus.ts'
import { scheduler, SCHEDULER, type PlaceRequest } from '../rpc/scheduler.ts'
import { fakeReport } from '../virt/fake/report.ts'
import { startScheduler } from './scheduler.ts'

const OPTIONS = {
  enabledFilters: [
    'ComputeFilter',
    'AvailabilityZoneFilter',
    'CoreFilter',
    'RamFilter',
    'DiskFilter',
    'ImagePropertiesFilter',
  ],
  multipliers: {},
  defaultArchitecture: null,
  cpuAllocationRatio: 2,
  ramAllocationRatio: 1,
  diskAllocationRatio: 1,
  reservedHostMemoryMb: 1024,
  reservedHostDiskMb: 1024,
  serviceDownMs: 60_000,
}

/** Two hosts of 4 CPUs (8 may be promised), 9 GiB and 11 GB, of which one each is kept back. */
async function placement(t: TestContext) {
  const db = await testDatabase(t)
  const clock = { at: 1_000_000, now: () => clock.at }
  const bus = memoryBus()
  const report = (host: string) =>
    keepReport(
      db,
      fakeReport(
        host,
        { vcpus: 4, memoryMb: 9 * 1024, diskGb: 11 },
        { diskGb: 0, runningServers: 0, uptimeSeconds: 0 },
      ),
      'nova',
      clock.at,
    )
  await report('host-1')
  await report('host-2')
  const daemon = startScheduler({ db, bus, clock, log: silentLog, options: OPTIONS })
  t.after(() => daemon.close())
  const { place, release, mayRun } = client(scheduler, bus, SCHEDULER, {
    requestId: 'req-1',
    userId: '',
    projectId: '',
  })
  const ask = async (vcpus: number, spec: Partial<PlaceRequest['spec']> = {}, consumerId = newId()) => {
    const task = await openTask(db, consumerId)
    const wanted = {
      resources: { vcpus, memoryMb: 512, diskGb: 1 },
      zone: null,
      onlyHost: null,
      forced: spec.onlyHost !== undefined,
      hints: {},
      imageProperties: {},
      extraSpecs: {},
      ...spec,
    }
    return {
      task,
      consumerId,
      answer: await place({
        task,
        consumerId,
        projectId: 'p',
        groupId: null,
        together: null,
        seed: consumerId,
        spec: wanted,
      }),
    }
  }
  return { db, clock, report, place, release, mayRun, ask }
}

test('servers are spread, until nothing fits; what is given back can be had at once', async (t) => {
  const { ask, release } = await placement(t)
  const four = [await ask(4), await ask(4), await ask(4), await ask(4)]
  const hosts = four.map(({ answer }) => (answer.placed ? answer.host : ''))
  assert.deepEqual(hosts.toSorted(), ['host-1', 'host-1', 'host-2', 'host-2'])
  const { answer } = await ask(1)
  assert.ok(!answer.placed)
  assert.equal(answer.explanation, '2 hosts: 2 have too few free vCPUs.')
  assert.deepEqual(answer.rejections[0], { host: 'host-1', filter: 'CoreFilter', reason: 'has 0 vCPU free, 1 wanted' })
  const [first] = four
  assert.ok(first)
  await release({ task: first.task, consumerId: first.consumerId })
  assert.equal((await ask(4)).answer.placed, true)
})

test('one guest gets no more than the host has, whatever may be promised in all', async (t) => {
  const { ask } = await placement(t)
  const { answer } = await ask(5)
  assert.ok(!answer.placed)
  assert.match(answer.rejections[0]?.reason ?? '', /^has 4 vCPU in all, 5 wanted$/)
})

test('a request that is repeated is answered with the claim there is', async (t) => {
  const { db, ask, place } = await placement(t)
  const { task, consumerId, answer } = await ask(1)
  const spec = {
    resources: { vcpus: 1, memoryMb: 512, diskGb: 1 },
    zone: null,
    onlyHost: null,
    forced: false,
    hints: {},
    imageProperties: {},
    extraSpecs: {},
  }
  const again = await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      place({ task, consumerId, projectId: 'p', groupId: null, together: null, seed: `other-${n}`, spec }),
    ),
  )
  assert.deepEqual(
    again,
    Array.from({ length: 10 }, () => answer),
  )
  assert.equal(
    Object.values(await usedByHost(db)).reduce((sum, { servers }) => sum + servers, 0),
    1,
  )
})

test('a host that is silent for long gets nothing, and gets servers again when it is heard', async (t) => {
  const { ask, clock, report } = await placement(t)
  clock.at += 61_000
  await report('host-2')
  assert.deepEqual((await ask(1)).answer, { placed: true, host: 'host-2', hypervisorHostname: 'host-2', zone: 'nova' })
  const { answer } = await ask(1, { onlyHost: 'host-1' })
  assert.ok(!answer.placed)
  assert.equal(answer.explanation, '1 host: 1 is down or disabled.')
  await report('host-1')
  assert.equal((await ask(1, { onlyHost: 'host-1' })).answer.placed, true)
})

test('a host that was named must exist; a zone must have hosts', async (t) => {
  const { ask } = await placement(t)
  const [unknown, elsewhere] = [(await ask(1, { onlyHost: 'host-9' })).answer, (await ask(1, { zone: 'east' })).answer]
  assert.ok(!unknown.placed && !elsewhere.placed)
  assert.deepEqual(
    [unknown.explanation, elsewhere.explanation],
    ['There is no host called host-9.', '2 hosts: 2 are in another availability zone.'],
  )
})

test('a filter that does not exist is an error at the start', async (t) => {
  const db = await testDatabase(t)
  const options = { ...OPTIONS, enabledFilters: ['RamFilter', 'MagicFilter'] }
  assert.throws(
    () => startScheduler({ db, bus: memoryBus(), clock: { now: () => 0 }, log: silentLog, options }),
    /do not exist: MagicFilter/,
  )
})

test('another image is looked at as at a rebuild: by what it needs, not by the room that its server has', async (t) => {
  const { ask, mayRun } = await placement(t)
  for (let number = 0; number < 4; number++) assert.equal((await ask(4)).answer.placed, true)
  assert.equal(await mayRun({ host: 'host-1', imageProperties: { hw_architecture: 'x86_64' }, extraSpecs: {} }), null)
  assert.equal(
    await mayRun({ host: 'host-1', imageProperties: { hw_architecture: 's390x' }, extraSpecs: {} }),
    '1 host: 1 cannot run the image.',
  )
  assert.equal(await mayRun({ host: 'host-9', imageProperties: {}, extraSpecs: {} }), 'There is no host called host-9.')
})
