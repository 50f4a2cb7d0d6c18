/** What every driver must do, as cases: run on the fake in the quick tests and on real QEMU in e2e/driver.e2e.ts. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { CONSOLE_KINDS } from '../domain/console.ts'
import type { PowerState } from '../domain/states.ts'
import { takerOf, textOf } from './console-reader.ts'
import { diskOf, guestOf, portOf, ticketOf } from './contract-values.ts'
import type { Driver, ImageTicket, PowerChange } from './driver.ts'
import { imageServer, type ImageServer } from './image-server.ts'

export interface ContractHost {
  readonly driver: Driver
  /** Removes its cached images, as somebody would who tidies up. */
  loseImages(): Promise<void>
  /** The same host seen by a new driver, as after a restart of our process. */
  reopen(): Promise<Driver>
  close(): Promise<void>
}

export interface ContractImages {
  /** Boots to a login prompt and goes down when its power button is pressed. */
  readonly bootable: Buffer
  /** Its disk is larger than 1 GB. */
  readonly large: Buffer
  readonly largeSizeBytes?: number
}

/** A guest without KVM boots in seconds, on a busy machine in tens of them. */
const BOOT_TIMEOUT_MS = 120_000
const never = new AbortController().signal
/** The driver's power changes, to be waited for. */
function watch(driver: Driver) {
  const seen: PowerChange[] = []
  const waiting = new Set<() => void>()
  const stop = driver.onPowerChange((change) => {
    seen.push(change)
    for (const look of waiting) look()
  })
  const until = (serverId: string, event: string): Promise<PowerChange> =>
    new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`no ${event} of ${serverId}; seen: ${JSON.stringify(seen)}`)),
        BOOT_TIMEOUT_MS,
      )
      const look = (): void => {
        const found = seen.find((change) => change.serverId === serverId && change.event === event)
        if (!found) return
        waiting.delete(look)
        clearTimeout(late)
        resolve(found)
      }
      waiting.add(look)
      look()
    })
  return { until, seen, forget: () => void (seen.length = 0), stop }
}

/** The console is a file that grows: looked at again and again. */
async function consoleShows(driver: Driver, serverId: string, what: RegExp): Promise<string> {
  const until = Date.now() + BOOT_TIMEOUT_MS
  for (;;) {
    const text = await driver.consoleOutput(serverId, 64 * 1024)
    if (what.test(text)) return text
    if (Date.now() > until) throw new Error(`no ${String(what)} on the console of ${serverId}: ${text.slice(-2000)}`)
    await delay(50)
  }
}
export const loginPrompt = (driver: Driver, serverId: string): Promise<string> =>
  consoleShows(driver, serverId, /login: \s*$/)

const named = (name: string) => (error: unknown) => error instanceof Error && error.name === name

export function driverContract(open: () => Promise<ContractHost>, images: () => Promise<ContractImages>): void {
  let host: ContractHost
  let driver: Driver
  let server: ImageServer
  let content: ContractImages
  let ticket: ImageTicket
  let events: ReturnType<typeof watch>

  before(async () => {
    content = await images()
    server = await imageServer([content.bootable, content.large])
    ticket = server.ticketFor(content.bootable)
    host = await open()
    driver = host.driver
    events = watch(driver)
  })
  after(async () => {
    events?.stop()
    server?.close()
    await host?.close()
  })

  const stateIs = async (serverId: string, expected: PowerState): Promise<void> =>
    assert.equal(await driver.powerState(serverId), expected)
  const isListed = async (serverId: string): Promise<boolean> =>
    (await driver.guests()).some((guest) => guest.serverId === serverId)
  async function remove(serverId: string): Promise<void> {
    await driver.destroy(serverId)
    await driver.unplug(serverId)
    await driver.removeFiles(serverId)
  }
  async function withDisk(): Promise<string> {
    const serverId = randomUUID()
    await driver.fetchImage(ticket, () => {}, never)
    await driver.createDisk(diskOf(serverId, ticket))
    return serverId
  }

  test('the host reports what it has', async () => {
    const report = await driver.report()
    assert.ok(report.vcpus >= 1 && report.memoryMb >= 256 && report.diskGb >= 1 && report.diskFreeGb <= report.diskGb)
    assert.match(report.cpuInfo.arch, /^\w+$/)
    assert.ok(report.supportedInstances.length > 0)
    assert.ok(report.hypervisorVersion >= 1000)
  })

  test('an image that is gone, or is not what was promised, is not cached', async () => {
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
    const serverId = await withDisk()
    assert.equal(await driver.removeUnusedImages(3600), 0)
    assert.equal(await driver.removeUnusedImages(0), 1)
    await driver.createDisk(diskOf(randomUUID(), ticket)).catch(() => assert.fail('the image in use is gone'))
    await remove(serverId)
  })

  test('a disk whose cached image was removed misses it until it is fetched again', async () => {
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

  test('nothing is left to remove: every removal succeeds', async () => {
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
    const serverId = randomUUID()
    for (const verb of [driver.pause, driver.unpause, (id: string) => driver.suspend(id, () => {}, never)])
      await assert.rejects(verb(serverId), named('GuestNotRunning'))
    assert.equal(await driver.injectNmi(serverId), false)
    assert.equal(await driver.setPassword(serverId, 'root', 'secret'), 'notRunning')
    assert.equal(await driver.diagnostics(serverId), undefined)
  })

  test('newer facts of plugged ports are taken, again too; ports that are not here are passed over', async () => {
    const serverId = randomUUID()
    const facts = portOf({ portId: randomUUID(), networkId: randomUUID() })
    const newer = { ...facts, adminUp: false, allowedPairs: [{ cidr: '10.0.0.9/32', mac: facts.mac }] }
    await driver.refreshPorts([newer])
    await driver.plug(serverId, [facts])
    for (const ports of [[newer], [newer, portOf({ portId: randomUUID() })], []]) await driver.refreshPorts(ports)
    await driver.unplug(serverId)
    await driver.refreshPorts([newer])
  })

  test('a guest whose disk or config drive is missing is not started, and leaves nothing', async () => {
    const without = randomUUID()
    await assert.rejects(driver.start(guestOf(without)), named('DiskMissing'))
    assert.equal(await isListed(without), false)
    const serverId = await withDisk()
    await assert.rejects(driver.start(guestOf(serverId, { configDrive: true })), named('DiskMissing'))
    assert.equal(await isListed(serverId), false)
    await remove(serverId)
  })

  test('a guest boots to its login prompt, goes down when asked, and comes up again', async () => {
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

  test('a guest is given network cards and lets go of them, before it starts, while it runs and after; each may be asked for twice', async () => {
    const serverId = await withDisk()
    const ports = [1, 2, 3].map((n) =>
      portOf({ portId: randomUUID(), networkId: randomUUID(), mac: `fa:16:3e:00:0c:0${n}` }),
    )
    const [first, second, third] = ports.map(({ portId }) => portId)
    assert.ok(first && second && third)
    const spec = (...numbers: readonly number[]) =>
      guestOf(serverId, { ports: numbers.flatMap((number) => ports[number - 1] ?? []) })
    const cards = async () => (await driver.guestNics(serverId)).map(({ mac }) => mac.at(-1))
    await driver.plugNic(spec(1), first)
    await driver.unplugNic(spec(), first, never)
    await driver.start(spec(1))
    assert.deepEqual(await cards(), ['1'])
    await loginPrompt(driver, serverId)
    for (let time = 1; time <= 2; time++) await driver.plugNic(spec(1, 2), second)
    await driver.plugNic(spec(1, 2, 3), third)
    assert.deepEqual(await cards(), ['1', '2', '3'])
    assert.equal(new Set((await driver.guestNics(serverId)).map(({ address }) => address)).size, 3)
    for (let time = 1; time <= 2; time++) await driver.unplugNic(spec(1, 3), second, never)
    assert.deepEqual(await cards(), ['1', '3'])
    await assert.rejects(driver.unplugNic(spec(3), first, AbortSignal.abort(new Error('not wanted any more'))))
    await stateIs(serverId, 'running')
    await driver.powerOff(serverId)
    await driver.unplugNic(spec(1), third, never)
    await driver.plugNic(spec(1, 2), second)
    await driver.start(spec(1, 2))
    assert.deepEqual(await cards(), ['1', '2'])
    await remove(serverId)
  })

  test('a suspended guest is off, goes on where it was, and is forgotten with its power', async () => {
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

  test('a disk is copied while its guest runs, and when it is off; the copy is sent, and a server boots from it', async () => {
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

  test('the consoles of a guest open while it runs, and end with it', async () => {
    const serverId = await withDisk()
    assert.deepEqual(await driver.consoles(serverId), [])
    for (const kind of CONSOLE_KINDS)
      await assert.rejects(driver.openConsole(serverId, kind), named('ConsoleUnavailable'))
    await driver.start(guestOf(serverId))
    assert.deepEqual(await driver.consoles(serverId), CONSOLE_KINDS)

    const screen = await driver.openConsole(serverId, 'vnc')
    const take = takerOf(screen)
    assert.equal((await take(12)).toString(), 'RFB 003.008\n')
    screen.write('RFB 003.008\n')
    assert.deepEqual([...(await take(2))], [1, 1])
    screen.write(Buffer.from([1]))
    assert.equal((await take(4)).readUInt32BE(), 0)
    screen.write(Buffer.from([1]))
    const init = await take(24)
    await take(init.readUInt32BE(20))
    assert.ok(init.readUInt16BE(0) >= 64 && init.readUInt16BE(2) >= 64)

    await loginPrompt(driver, serverId)
    const line = await driver.openConsole(serverId, 'serial')
    const read = textOf(line)
    line.write('nobody\r')
    await read.until(/nobody/)
    const waits = await driver.openConsole(serverId, 'serial')
    const next = textOf(waits)
    line.destroy()
    waits.write('\r')
    await next.until(/login: |assword: /)
    // What went over the line is in the log, as if nobody had listened.
    assert.match(await driver.consoleOutput(serverId, 64 * 1024), /login: nobody/)

    const over = Promise.all([screen, waits].map((stream) => once(stream.resume(), 'close')))
    await driver.powerOff(serverId)
    await over
    assert.deepEqual(await driver.consoles(serverId), [])
    await remove(serverId)
  })

  test('a guest runs on while nobody watches, and is found again', async () => {
    const serverId = await withDisk()
    await driver.start(guestOf(serverId))
    events.stop()
    driver = await host.reopen()
    events = watch(driver)
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
