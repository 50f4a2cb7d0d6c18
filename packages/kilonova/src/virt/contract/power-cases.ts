/** What every driver does with power: started, stopped, paused, suspended, and found again. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { guestOf } from '../contract-values.ts'
import { BOOT_TIMEOUT_MS, consoleShows, loginPrompt, named, never, type Bed } from './bed.ts'

export function powerCases(bed: () => Bed): void {
  test('the host reports what it has', async () => {
    const { driver } = bed()
    const report = await driver.report()
    assert.ok(report.vcpus >= 1 && report.memoryMb >= 256 && report.diskGb >= 1 && report.diskFreeGb <= report.diskGb)
    assert.match(report.cpuInfo.arch, /^\w+$/)
    assert.ok(report.supportedInstances.length > 0)
    assert.ok(report.hypervisorVersion >= 1000)
  })

  test('nothing is left to remove: every removal succeeds', async () => {
    const { driver, stateIs, remove } = bed()
    const serverId = randomUUID()
    await driver.powerOff(serverId)
    await driver.shutdown(serverId)
    await remove(serverId)
    await driver.applyRouters([])
    await stateIs(serverId, 'nostate')
    assert.equal(await driver.consoleOutput(serverId, 100), '')
    assert.deepEqual(await driver.guestNics(serverId), [])
  })

  test('what does not run is neither paused nor suspended, and is told nothing', async () => {
    const { driver } = bed()
    const serverId = randomUUID()
    for (const verb of [driver.pause, driver.unpause, (id: string) => driver.suspend(id, () => {}, never)])
      await assert.rejects(verb(serverId), named('GuestNotRunning'))
    assert.equal(await driver.injectNmi(serverId), false)
    assert.equal(await driver.setPassword(serverId, 'root', 'secret'), 'notRunning')
    assert.equal(await driver.diagnostics(serverId), undefined)
  })

  test('a guest whose disk or config drive is missing is not started, and leaves nothing', async () => {
    const { driver, isListed, remove, withDisk } = bed()
    const without = randomUUID()
    await assert.rejects(driver.start(guestOf(without)), named('DiskMissing'))
    assert.equal(await isListed(without), false)
    const serverId = await withDisk()
    await assert.rejects(driver.start(guestOf(serverId, { configDrive: true })), named('DiskMissing'))
    assert.equal(await isListed(serverId), false)
    await remove(serverId)
  })

  test('a guest boots to its login prompt, goes down when asked, and comes up again', async () => {
    const { driver, events, stateIs, isListed, remove, withDisk } = bed()
    const serverId = await withDisk()
    events.forget()
    await driver.createConfigDrive({
      serverId,
      files: { 'openstack/latest/meta_data.json': Buffer.from('{"hostname":"web"}').toString('base64') },
    })
    await driver.plug(serverId, [])
    const spec = guestOf(serverId, { configDrive: true })
    await driver.start(spec)
    await driver.start(spec)
    await events.until(serverId, 'started')
    await stateIs(serverId, 'running')
    assert.equal(await isListed(serverId), true)
    assert.equal((await driver.report()).runningServers, 1)
    const text = await loginPrompt(driver, serverId)
    assert.equal(await driver.consoleOutput(serverId, 7), text.slice(-7))

    await driver.shutdown(serverId)
    await events.until(serverId, 'shutdown')
    await stateIs(serverId, 'shutdown')
    assert.equal(await isListed(serverId), true)
    events.forget()
    await driver.start(spec)
    await events.until(serverId, 'started')
    await driver.powerOff(serverId)
    await driver.powerOff(serverId)
    await events.until(serverId, 'stopped')
    await stateIs(serverId, 'shutdown')
    await remove(serverId)
    await stateIs(serverId, 'nostate')
    assert.equal(await isListed(serverId), false)
    assert.equal(await driver.consoleOutput(serverId, 100), '')
  })

  test('a guest stands still while it is paused, and its figures grow while it runs', async () => {
    const { driver, events, stateIs, remove, withDisk } = bed()
    const serverId = await withDisk()
    events.forget()
    await driver.start(guestOf(serverId))
    await loginPrompt(driver, serverId)
    const cpuTime = async () => (await driver.diagnostics(serverId))?.cpus[0]?.timeNs ?? 0
    await driver.pause(serverId)
    await driver.pause(serverId)
    await events.until(serverId, 'paused')
    await stateIs(serverId, 'paused')
    const { disks = [], powerState } = (await driver.diagnostics(serverId)) ?? {}
    assert.equal(powerState, 'paused')
    assert.ok(disks[0]?.name === 'vda' && disks[0].readBytes > 0 && disks[0].readRequests > 0)
    const used = await cpuTime()
    assert.ok(used > 0)
    await driver.unpause(serverId)
    await driver.unpause(serverId)
    await events.until(serverId, 'resumed')
    await stateIs(serverId, 'running')
    for (const until = Date.now() + BOOT_TIMEOUT_MS; (await cpuTime()) <= used;) {
      assert.ok(Date.now() < until, 'the processor has not gone on')
      await delay(50)
    }
    assert.equal(await driver.injectNmi(serverId), true)
    await consoleShows(driver, serverId, /NMI received/)
    assert.equal(await driver.setPassword(serverId, 'root', 'secret'), 'noAgent')
    await remove(serverId)
  })

  test('a suspended guest is off, goes on where it was, and is forgotten with its power', async () => {
    const { driver, events, stateIs, isListed, remove, withDisk } = bed()
    const serverId = await withDisk()
    const boots = async () => (await driver.consoleOutput(serverId, 64 * 1024)).split('login: ').length - 1
    const booted = async (times: number) => {
      for (const until = Date.now() + BOOT_TIMEOUT_MS; (await boots()) < times;) {
        assert.ok(Date.now() < until, `it has not booted ${times} times`)
        await delay(50)
      }
    }
    const suspend = () => driver.suspend(serverId, () => {}, never)
    events.forget()
    await driver.start(guestOf(serverId))
    await loginPrompt(driver, serverId)
    await assert.rejects(
      driver.suspend(serverId, () => {}, AbortSignal.abort(new Error('not wanted'))),
      /not wanted/,
    )
    await stateIs(serverId, 'running')
    await suspend()
    await suspend()
    await events.until(serverId, 'stopped')
    await stateIs(serverId, 'shutdown')
    assert.equal(await isListed(serverId), true)
    assert.deepEqual((await driver.diagnostics(serverId))?.cpus, [])
    events.forget()
    await driver.start(guestOf(serverId))
    await stateIs(serverId, 'running')
    // One that boots has no ear for its power button yet.
    await driver.shutdown(serverId)
    await events.until(serverId, 'shutdown')
    assert.equal(await boots(), 1, 'it has not booted again')

    await driver.start(guestOf(serverId))
    await booted(2)
    await suspend()
    await driver.powerOff(serverId)
    await driver.start(guestOf(serverId))
    await booted(3)
    await suspend()
    await remove(serverId)
    await stateIs(serverId, 'nostate')
  })

  test('a guest runs on while nobody watches, and is found again', async () => {
    const { remove, withDisk, reopen } = bed()
    const serverId = await withDisk()
    await bed().driver.start(guestOf(serverId))
    await reopen()
    const { driver, events } = bed()
    assert.deepEqual(
      (await driver.guests()).filter((guest) => guest.serverId === serverId),
      [{ serverId, powerState: 'running' }],
    )
    await driver.powerOff(serverId)
    await events.until(serverId, 'stopped')
    await remove(serverId)
    assert.deepEqual(await driver.guests(), [])
  })
}
