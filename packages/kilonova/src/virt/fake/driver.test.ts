/** The fake hypervisor keeps the drivers' contract, counts what it holds, fails on demand and costs next to nothing. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@kilonova/base/clock.ts'
import { diskOf, guestOf, portOf, ticketOf } from '../contract-values.ts'
import { driverContract } from '../driver.contract.ts'
import { fakeDriver } from './driver.ts'
import { faults } from './faults.ts'

const clock = systemClock()
const ignore = () => {}
const never = new AbortController().signal

driverContract(
  async () => {
    const driver = fakeDriver({ host: 'h1', clock, download: true })
    return {
      driver,
      loseImages: async () => driver.loseImages(),
      reopen: async () => driver,
      close: () => driver.close(),
    }
  },
  async () => ({ bootable: Buffer.from('boots'), large: Buffer.from('large'), largeSizeBytes: 2 * 1024 ** 3 }),
)

test('the same cases run on real QEMU', () => {
  const e2e = readFileSync(join(import.meta.dirname, '../../../e2e/driver.e2e.ts'), 'utf8')
  assert.match(e2e, /^driverContract\(/m)
})

test('it counts what it holds', async () => {
  const driver = fakeDriver({ host: 'h1', clock })
  await driver.fetchImage(ticketOf(), ignore, never)
  await driver.createDisk(diskOf('a'))
  await driver.createConfigDrive({ serverId: 'a', files: {} })
  await driver.plug('a', [portOf(), portOf({ portId: 'other' })])
  await driver.start(guestOf('a', { configDrive: true, ports: [portOf()] }))
  assert.deepEqual(driver.inventory(), {
    guests: 1,
    disks: 1,
    configDrives: 1,
    snapshots: 0,
    ports: 1,
    cachedImages: 1,
    memories: 0,
    cards: 1,
  })
  await driver.destroy('a')
  await driver.unplug('a')
  await driver.removeFiles('a')
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

test('it knows its ports by the newest facts it was told, and learns of none that way', async () => {
  const driver = fakeDriver({ host: 'h1', clock })
  await driver.plug('a', [portOf(), portOf({ portId: 'other' })])
  await driver.refreshPorts([portOf({ mtu: 1400 }), portOf({ portId: 'elsewhere' })])
  assert.deepEqual(driver.portFacts(portOf().portId), portOf({ mtu: 1400 }))
  assert.deepEqual(driver.portFacts('other'), portOf({ portId: 'other' }))
  assert.equal(driver.portFacts('elsewhere'), undefined)
  assert.equal(driver.inventory().ports, 2)
})

test('a fault strikes before or after the effect, once, for the server named', async () => {
  const weather = faults()
  const driver = fakeDriver({ host: 'h1', clock, faults: weather })
  weather.inject('plug', { at: 'before', what: 'error', serverId: 'a' })
  weather.inject('plug', { at: 'after', what: 'error', error: new Error('answer lost'), serverId: 'b' })
  await driver.plug('c', [portOf()])
  await assert.rejects(driver.plug('a', [portOf()]), /before it had its effect/)
  assert.equal(driver.inventory().ports, 1)
  await assert.rejects(driver.plug('b', [portOf()]), /answer lost/)
  assert.equal(driver.inventory().ports, 2)
  await driver.plug('a', [portOf()])
  assert.equal(driver.inventory().ports, 3)
})

test('a hanging verb goes on when it is released', async () => {
  const weather = faults()
  const driver = fakeDriver({ host: 'h1', clock, faults: weather })
  weather.inject('plug', { at: 'before', what: 'hang' })
  const hanging = driver.plug('a', [portOf()])
  await driver.plug('b', [portOf()])
  assert.equal(driver.inventory().ports, 1)
  weather.release()
  await hanging
  assert.equal(driver.inventory().ports, 2)
})

test('what a guest does by itself is told', async () => {
  const driver = fakeDriver({ host: 'h1', clock })
  await driver.start(guestOf('a', { imageId: null }))
  const told = Promise.withResolvers<unknown>()
  driver.onPowerChange(told.resolve)
  driver.happen('a', 'crashed', 'crashed')
  assert.deepEqual(await told.promise, { serverId: 'a', powerState: 'crashed', event: 'crashed' })
  await driver.start(guestOf('a', { imageId: null }))
  assert.equal(await driver.powerState('a'), 'running')
})

test('a thousand servers come and go in well under a second', async () => {
  const driver = fakeDriver({ host: 'h1', clock })
  await driver.fetchImage(ticketOf(), ignore, never)
  const started = performance.now()
  for (let i = 0; i < 1000; i++) {
    const id = String(i)
    await driver.createDisk(diskOf(id))
    await driver.plug(id, [portOf()])
    await driver.start(guestOf(id, { ports: [portOf()] }))
    await driver.destroy(id)
    await driver.unplug(id)
    await driver.removeFiles(id)
  }
  assert.ok(performance.now() - started < 1000)
})

test('its agent takes passwords where the image says that there is one', async () => {
  const driver = fakeDriver({ host: 'h1', clock })
  await driver.start(guestOf('a', { imageId: null, imageProperties: { hw_qemu_guest_agent: 'yes' } }))
  assert.equal(await driver.setPassword('a', 'root', 'secret'), 'set')
  assert.equal(driver.passwordOf('a', 'root'), 'secret')
  await driver.pause('a')
  assert.equal(await driver.setPassword('a', 'root', 'other'), 'notRunning')
})

test('its figures follow from what it is and how long it ran', async () => {
  let now = 0
  const driver = fakeDriver({ host: 'h1', clock: { now: () => now } })
  const flavor = { ...guestOf('a').flavor, vcpus: 2 }
  await driver.start(guestOf('a', { imageId: null, flavor, ports: [portOf()] }))
  const cpus = async () => (await driver.diagnostics('a'))?.cpus.map(({ timeNs }) => timeNs)
  now = 4000
  assert.deepEqual(await cpus(), [4.5e9, 2.25e9])
  await driver.pause('a')
  now = 9000
  assert.deepEqual(await cpus(), [4.5e9, 2.25e9])
  await driver.unpause('a')
  now = 10_000
  assert.deepEqual(await cpus(), [5.5e9, 2.75e9])
  await driver.suspend('a', ignore, never)
  assert.equal(driver.inventory().memories, 1)
  await driver.start(guestOf('a', { imageId: null, flavor, ports: [portOf()] }))
  assert.deepEqual([driver.inventory().memories, await cpus()], [0, [5.5e9, 2.75e9]])
  await driver.powerOff('a')
  await driver.start(guestOf('a', { imageId: null, flavor, ports: [portOf()] }))
  assert.deepEqual(await cpus(), [0.5e9, 0.25e9])
  assert.deepEqual(
    (await driver.diagnostics('a'))?.nics.map(({ mac }) => mac),
    [portOf().mac],
  )
})

test('a guest has a card on its bus for each of its ports', async () => {
  const driver = fakeDriver({ host: 'h1', clock })
  await driver.start(guestOf('a', { imageId: null, ports: [portOf()] }))
  const [nic, ...more] = await driver.guestNics('a')
  assert.deepEqual([nic?.mac, nic?.address, more], [portOf().mac, '0000:01:00.0', []])
})
