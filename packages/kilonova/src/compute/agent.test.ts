/** The agent of a fake host, over the bus, beside a conductor that only remembers what it was told. */
import assert from 'node:assert/strict'
import { once, EventEmitter } from 'node:events'
import { test, type TestContext } from 'node:test'
import { systemClock } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { RemoteError } from '../rpc/bus.ts'
import { compute, computeTopic, HOST_EVENTS, hostEvent, type HostEvent } from '../rpc/compute.ts'
import { conductor as conductorContract, CONDUCTOR } from '../rpc/conductor.ts'
import { client, serve, type Handlers } from '../rpc/contract.ts'
import { memoryBus } from '../rpc/memory/bus.ts'
import { diskOf, guestOf, portOf, ticketOf } from '../virt/contract-values.ts'
import { fakeDriver } from '../virt/fake/driver.ts'
import { faults } from '../virt/fake/faults.ts'
import { startCompute } from './agent.ts'
import { memoryFences } from './fence-store.ts'

type Owed = Awaited<ReturnType<Handlers<typeof conductorContract>['owedBy']>>[number]
const context = { requestId: 'req-1', userId: 'u', projectId: 'p' }

function world(t: TestContext, start: { owed?: Owed[]; conductorLate?: boolean } = {}) {
  const bus = memoryBus()
  const owed = new Map((start.owed ?? []).map((row) => [row.id, row]))
  const seen = new EventEmitter<{ report: []; sync: [guests: readonly string[]]; settled: [id: string] }>()
  const belonging = new Set<string>()
  const serveConductor = () =>
    serve(
      conductorContract,
      {
        reportHost: async () => {
          seen.emit('report')
          return null
        },
        owedBy: async () => [...owed.values()],
        settled: async ({ id }) => {
          owed.delete(id)
          seen.emit('settled', id)
          return null
        },
        syncPower: async ({ guests }) => {
          seen.emit(
            'sync',
            guests.map(({ serverId }) => serverId),
          )
          return guests.map(({ serverId }) => serverId).filter((serverId) => !belonging.has(serverId))
        },
      },
      bus,
      CONDUCTOR,
    )
  if (!start.conductorLate) serveConductor()
  const weather = faults()
  const driver = fakeDriver({ host: 'h1', clock: systemClock(), faults: weather })
  const events: HostEvent[] = []
  bus.subscribe(HOST_EVENTS, (event) => events.push(hostEvent.parse(event)))
  const go = async (more: { reportIntervalMs?: number; syncPowerIntervalMs?: number } = {}) => {
    const agent = await startCompute({
      host: 'h1',
      driver,
      bus,
      fences: memoryFences(),
      log: silentLog,
      clock: systemClock(),
      reportIntervalMs: 10,
      ...more,
    })
    t.after(() => agent.close())
    return client(compute, bus, computeTopic('h1'), context)
  }
  return { bus, driver, weather, owed, seen, belonging, events, serveConductor, go }
}
const fence = (step: string, epoch = 1) => ({ serverId: 's1', key: `task/${step}`, epoch })

test('a server is made and removed verb by verb, and nothing is left', async (t) => {
  const { driver, events, go } = world(t)
  const host = await go()
  await host.startFetchImage({ fence: fence('image'), ticket: ticketOf() })
  await host.startFetchImage({ fence: fence('image'), ticket: ticketOf() })
  while ((await host.jobStatus({ key: 'task/image' })).state === 'running') await new Promise(setImmediate)
  assert.deepEqual(await host.jobStatus({ key: 'task/image' }), { state: 'done' })
  await host.createDisk({ fence: fence('disk'), disk: diskOf('s1') })
  await host.plug({ fence: fence('plug'), ports: [portOf()] })
  await host.start({ fence: fence('start'), guest: guestOf('s1', { ports: [portOf()] }) })
  assert.equal(await host.powerState({ serverId: 's1' }), 'running')
  assert.match(await host.consoleOutput({ serverId: 's1', maxBytes: 1000 }), /login: $/)
  assert.ok(events.some((e) => e.kind === 'power' && e.serverId === 's1' && e.event === 'started'))
  assert.ok(events.some((e) => e.kind === 'job' && e.key === 'task/image' && e.ended))
  await host.destroy({ fence: fence('destroy') })
  await host.unplug({ fence: fence('unplug') })
  await host.removeFiles({ fence: fence('files') })
  assert.deepEqual(driver.inventory(), {
    guests: 0,
    disks: 0,
    configDrives: 0,
    snapshots: 0,
    ports: 0,
    cachedImages: 1,
    memories: 0,
    cards: 0,
  })
})

test('a conductor that lost its lease is refused by name', async (t) => {
  const host = await world(t).go()
  await host.plug({ fence: fence('plug', 5), ports: [] })
  await assert.rejects(
    host.unplug({ fence: fence('unplug', 4) }),
    (error) => error instanceof RemoteError && error.code === 'StaleEpochError' && !error.retryable,
  )
})

test('errors cross the bus with their name, text and whether another try may help', async (t) => {
  const host = await world(t).go()
  await assert.rejects(
    host.createDisk({ fence: fence('disk'), disk: diskOf('s1') }),
    (error) => error instanceof RemoteError && error.code === 'ImageNotCached' && /host h1/.test(error.message),
  )
})

test('what is owed is done before the host serves; what fails stays owed and holds up no other server', async (t) => {
  const row = (id: string, serverId: string, verb: Owed['verb']): Owed => ({ id, serverId, verb, epoch: 3 })
  const w = world(t, {
    owed: [
      row('1', 'bad', 'destroy'),
      row('2', 'bad', 'removeFiles'),
      row('3', 's1', 'destroy'),
      row('4', 's1', 'removeFiles'),
    ],
  })
  await w.driver.fetchImage(ticketOf(), () => {}, new AbortController().signal)
  for (const id of ['bad', 's1']) {
    await w.driver.createDisk(diskOf(id))
    await w.driver.start(guestOf(id))
  }
  w.weather.inject('destroy', { at: 'before', what: 'error', serverId: 'bad' })
  const host = await w.go()
  assert.deepEqual([...w.owed.keys()], ['1', '2'])
  assert.equal(w.driver.inventory().guests, 1)
  await assert.rejects(host.start({ fence: fence('start', 2), guest: guestOf('s1') }), /epoch 2 of server s1 is over/)
})

test('a host waits for its conductor, and does not serve before it answered', async (t) => {
  const w = world(t, { conductorLate: true })
  const starting = w.go()
  const early = client(compute, w.bus, computeTopic('h1'), context)
  await assert.rejects(early.powerState({ serverId: 's1' }), /nobody serves/)
  w.serveConductor()
  const host = await starting
  assert.equal(await host.powerState({ serverId: 's1' }), 'nostate')
})

test('the host reports at start and again and again, also after a report that failed', async (t) => {
  const w = world(t)
  let reports = 0
  w.seen.on('report', () => reports++)
  w.weather.inject('report', { at: 'before', what: 'error', times: 2 })
  await w.go({ reportIntervalMs: 2 })
  await once(w.seen, 'report')
  await once(w.seen, 'report')
  assert.ok(reports >= 2)
})

test('a guest that is over is removed after two sweeps, another stays', async (t) => {
  const w = world(t)
  await w.driver.fetchImage(ticketOf(), () => {}, new AbortController().signal)
  for (const id of ['mine', 'stray']) {
    await w.driver.createDisk(diskOf(id))
    await w.driver.start(guestOf(id))
  }
  w.belonging.add('mine')
  const sweeps: (readonly string[])[] = []
  w.seen.on('sync', (guests) => sweeps.push(guests))
  await w.go({ syncPowerIntervalMs: 2 })
  while ((sweeps.at(-1)?.length ?? 2) > 1) await once(w.seen, 'sync')
  assert.deepEqual(sweeps[1], ['mine', 'stray'])
  assert.deepEqual(sweeps.at(-1), ['mine'])
  assert.equal(w.driver.inventory().disks, 1)
})
