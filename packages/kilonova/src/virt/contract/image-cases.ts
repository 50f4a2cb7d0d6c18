/** What every driver does with images: they are cached once, checked, and removed when nobody needs them. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { diskOf, guestOf, ticketOf } from '../contract-values.ts'
import { named, never, type Bed } from './bed.ts'

export function imageCases(bed: () => Bed): void {
  test('an image that is gone, or is not what was promised, is not cached', async () => {
    const { driver, ticket } = bed()
    const gone = ticketOf({ ...ticket, url: `${ticket.url}0`, hash: 'cd'.repeat(64) })
    await assert.rejects(
      driver.fetchImage(gone, () => {}, never),
      named('ImageUnavailable'),
    )
    const damaged = ticketOf({ ...ticket, hash: 'ef'.repeat(64) })
    await assert.rejects(
      driver.fetchImage(damaged, () => {}, never),
      named('ImageDamaged'),
    )
    for (const bad of [gone, damaged])
      await assert.rejects(driver.createDisk(diskOf(randomUUID(), bad)), named('ImageNotCached'))
  })

  test('one download serves all who wait for it, and those who come later; giving up one wait leaves the others', async () => {
    const { driver, server, ticket } = bed()
    const before_ = server.asked()
    const givenUp = new AbortController()
    const percents: number[] = []
    const waits = [
      ...Array.from({ length: 5 }, () => driver.fetchImage(ticket, (percent) => percents.push(percent), never)),
      driver.fetchImage(ticket, () => {}, givenUp.signal),
    ]
    givenUp.abort(new Error('not wanted any more'))
    const ends = await Promise.allSettled(waits)
    assert.deepEqual(
      ends.map(({ status }) => status),
      [...Array.from({ length: 5 }, () => 'fulfilled'), 'rejected'],
    )
    await driver.fetchImage(ticket, (percent) => percents.push(percent), never)
    assert.equal(server.asked() - before_, 1)
    assert.ok(percents.every((percent) => percent >= 0 && percent <= 100))
    assert.equal(percents.at(-1), 100)
  })

  test('a disk as small as its image or larger is made, once; a smaller one is refused', async () => {
    const { driver, server, content } = bed()
    const large = server.ticketFor(
      content.large,
      content.largeSizeBytes === undefined ? {} : { sizeBytes: content.largeSizeBytes },
    )
    await driver.fetchImage(large, () => {}, never)
    const serverId = randomUUID()
    await assert.rejects(driver.createDisk(diskOf(serverId, large, 1)), named('ImageLargerThanDisk'))
    await driver.createDisk(diskOf(serverId, large, 0))
    await driver.createDisk(diskOf(serverId, large, 0))
    await driver.removeFiles(serverId)
  })

  test('an unused image is removed when it is old enough, one that a disk stands on is not', async () => {
    const { driver, ticket, remove, withDisk } = bed()
    const serverId = await withDisk()
    assert.equal(await driver.removeUnusedImages(3600), 0)
    assert.equal(await driver.removeUnusedImages(0), 1)
    await driver.createDisk(diskOf(randomUUID(), ticket)).catch(() => assert.fail('the image in use is gone'))
    await remove(serverId)
  })

  test('a disk whose cached image was removed misses it until it is fetched again', async () => {
    const { host, driver, ticket, stateIs, remove, withDisk } = bed()
    const serverId = await withDisk()
    assert.equal(await driver.missesBase(randomUUID()), false)
    assert.equal(await driver.missesBase(serverId), false)
    await host.loseImages()
    assert.equal(await driver.missesBase(serverId), true)
    await driver.fetchImage(ticket, () => {}, never)
    assert.equal(await driver.missesBase(serverId), false)
    await driver.start(guestOf(serverId))
    await stateIs(serverId, 'running')
    await remove(serverId)
  })
}
