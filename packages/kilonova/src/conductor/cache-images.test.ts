/** Images brought to the caches of hosts ahead of time, over the bus, with fake hosts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { startCompute } from '../compute/agent.ts'
import { memoryFences } from '../compute/fence-store.ts'
import { NovaError } from '../domain/errors.ts'
import { HOST_EVENTS, hostEvent } from '../rpc/compute.ts'
import { conductor, CONDUCTOR } from '../rpc/conductor.ts'
import { serve } from '../rpc/contract.ts'
import { memoryBus } from '../rpc/memory/bus.ts'
import { ticketOf } from '../virt/contract-values.ts'
import { fakeDriver } from '../virt/fake/driver.ts'
import { cacheImages } from './cache-images.ts'
import { signals } from './signals.ts'

const context = { requestId: 'req-1', userId: 'u', projectId: 'p' }

test('every host of the list has every image that there is; a host that does not answer stops no other', async (t) => {
  const bus = memoryBus()
  const clock = systemClock()
  const jobs = signals()
  bus.subscribe(HOST_EVENTS, (message) => {
    const event = hostEvent.parse(message)
    if (event.kind === 'job') jobs.wake(event.key)
  })
  serve(
    conductor,
    { reportHost: async () => null, owedBy: async () => [], settled: async () => null, syncPower: async () => [] },
    bus,
    CONDUCTOR,
  )
  const drivers = await Promise.all(
    ['h1', 'h2'].map(async (host) => {
      const driver = fakeDriver({ host, clock })
      const agent = await startCompute({
        host,
        driver,
        bus,
        fences: memoryFences(),
        log: silentLog,
        clock,
        reportIntervalMs: 1000,
      })
      t.after(() => agent.close())
      return driver
    }),
  )
  const images = {
    ticket: async (imageId: string) => {
      if (imageId === 'gone') throw new NovaError('BuildAborted', { reason: 'image gone is gone' })
      return { ...ticketOf(), imageId, hash: imageId.repeat(64) }
    },
  }
  const request = { hosts: ['h1', 'nobody', 'h2'], imageIds: ['a', 'gone', 'b'] }
  const reach = { bus, jobs, images, log: silentLog }
  await cacheImages(reach, request, context, 1, AbortSignal.timeout(20_000))
  assert.deepEqual(
    drivers.map((driver) => driver.inventory().cachedImages),
    [2, 2],
  )
  await cacheImages(reach, request, context, 3, AbortSignal.timeout(20_000))
  assert.deepEqual(
    drivers.map((driver) => driver.inventory().cachedImages),
    [2, 2],
    'what is there is not fetched again',
  )
})
