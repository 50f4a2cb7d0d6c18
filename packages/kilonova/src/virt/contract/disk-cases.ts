/** What every driver does with disks: copies, disks aside, empty ones, rescue. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { diskOf, guestOf } from '../contract-values.ts'
import { loginPrompt, named, never, type Bed } from './bed.ts'

export function diskCases(bed: () => Bed): void {
  test('a disk is copied while its guest runs, and when it is off; the copy is sent, and a server boots from it', async () => {
    const { driver, server, events, stateIs, remove, withDisk } = bed()
    const serverId = await withDisk()
    await driver.start(guestOf(serverId))
    await loginPrompt(driver, serverId)
    events.forget()
    for (const power of ['running', 'paused', 'shutdown'] as const) {
      if (power === 'paused') {
        assert.ok(!events.seen.some((change) => change.serverId === serverId && change.event === 'paused'))
        await driver.pause(serverId)
      }
      if (power === 'shutdown') await driver.powerOff(serverId)
      const snapshotId = randomUUID()
      const percents: number[] = []
      await driver.snapshot(serverId, snapshotId, (percent) => percents.push(percent), never)
      await driver.snapshot(serverId, snapshotId, () => {}, never)
      await stateIs(serverId, power)
      assert.equal(percents.at(-1), 100)
      await driver.uploadSnapshot(serverId, snapshotId, server.uploadTicket(snapshotId), () => {}, never)
      await driver.removeSnapshot(serverId, snapshotId)
      await driver.removeSnapshot(serverId, snapshotId)
      const content = server.sent(snapshotId)
      assert.ok(content && content.subarray(0, 4).toString('latin1') === 'QFI\xfb')
      await assert.rejects(
        driver.uploadSnapshot(serverId, snapshotId, server.uploadTicket(snapshotId), () => {}, never),
        named('SnapshotMissing'),
      )
      const copied = server.ticketFor(content)
      await driver.fetchImage(copied, () => {}, never)
      const other = randomUUID()
      await driver.createDisk(diskOf(other, copied))
      await driver.start(guestOf(other))
      await loginPrompt(driver, other)
      await remove(other)
    }
    await remove(serverId)
  })

  test('disks are kept aside for new ones, and taken back or dropped', async () => {
    const { driver, ticket, stateIs, remove, withDisk } = bed()
    const serverId = await withDisk()
    const drive = { serverId, files: { 'openstack/latest/meta_data.json': Buffer.from('{}').toString('base64') } }
    await driver.createConfigDrive(drive)
    await driver.takeDisksBack(serverId)
    await driver.removeUnusedImages(0)
    for (const end of ['takeDisksBack', 'dropDisksAside'] as const) {
      await driver.setDisksAside(serverId)
      await driver.setDisksAside(serverId)
      await assert.rejects(driver.start(guestOf(serverId, { configDrive: true })), named('DiskMissing'))
      await driver.createDisk(diskOf(serverId, ticket))
      await driver.setDisksAside(serverId)
      await driver.createConfigDrive(drive)
      assert.equal(await driver.removeUnusedImages(0), 0)
      await driver[end](serverId)
      await driver[end](serverId)
    }
    await driver.start(guestOf(serverId, { configDrive: true }))
    await stateIs(serverId, 'running')
    await remove(serverId)
  })

  test('empty disks are made with the root disk, kept aside with it, and the guest does not start without them', async () => {
    const { driver, ticket, stateIs, remove } = bed()
    const serverId = randomUUID()
    const local = { ephemeralsGb: [1], swapMb: 16 }
    await driver.fetchImage(ticket, () => {}, never)
    await driver.createDisk(diskOf(serverId, ticket))
    await assert.rejects(driver.start(guestOf(serverId, { localDisks: local })), named('DiskMissing'))
    await driver.removeFiles(serverId)
    for (let time = 0; time < 2; time++) await driver.createDisk({ ...diskOf(serverId, ticket), local })
    await driver.setDisksAside(serverId)
    await driver.createDisk(diskOf(serverId, ticket))
    await assert.rejects(driver.start(guestOf(serverId, { localDisks: local })), named('DiskMissing'))
    await driver.takeDisksBack(serverId)
    await driver.start(guestOf(serverId, { localDisks: local }))
    await stateIs(serverId, 'running')
    await remove(serverId)
  })

  test('a guest in rescue runs from its rescue disk, where it wants that one', async () => {
    const { driver, ticket, stateIs, remove, withDisk } = bed()
    const serverId = await withDisk()
    for (const imageProperties of [{}, { hw_rescue_bus: 'scsi', hw_rescue_device: 'disk' }]) {
      const spec = guestOf(serverId, { rescue: { imageProperties } })
      await assert.rejects(driver.start(spec), named('DiskMissing'))
      await driver.createRescueDisk(diskOf(serverId, ticket, 0))
      await driver.createRescueDisk(diskOf(serverId, ticket, 0))
      await driver.start(spec)
      await loginPrompt(driver, serverId)
      await driver.destroy(serverId)
      await driver.removeRescueDisk(serverId)
      await driver.removeRescueDisk(serverId)
    }
    await driver.start(guestOf(serverId))
    await stateIs(serverId, 'running')
    await remove(serverId)
  })

  test('a copy that is given up, refused or of no disk leaves nothing', async () => {
    const { driver, server, remove, withDisk } = bed()
    await assert.rejects(
      driver.snapshot(randomUUID(), randomUUID(), () => {}, never),
      named('DiskMissing'),
    )
    const serverId = await withDisk()
    await driver.start(guestOf(serverId))
    const snapshotId = randomUUID()
    const making = driver.snapshot(serverId, snapshotId, () => {}, AbortSignal.abort(new Error('not wanted any more')))
    await assert.rejects(making, /not wanted/)
    await driver.snapshot(serverId, snapshotId, () => {}, never)
    await assert.rejects(
      driver.uploadSnapshot(serverId, snapshotId, server.uploadTicket('refused'), () => {}, never),
      named('ImageRefused'),
    )
    await driver.removeSnapshot(serverId, snapshotId)
    await remove(serverId)
  })
}
