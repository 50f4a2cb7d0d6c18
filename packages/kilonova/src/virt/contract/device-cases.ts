/** What every driver does with cards and consoles. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { CONSOLE_KINDS } from '../../domain/console.ts'
import { takerOf, textOf } from '../console-reader.ts'
import { guestOf, portOf } from '../contract-values.ts'
import { loginPrompt, named, never, type Bed } from './bed.ts'

export function deviceCases(bed: () => Bed): void {
  test('newer facts of plugged ports are taken, again too; ports that are not here are passed over', async () => {
    const { driver } = bed()
    const serverId = randomUUID()
    const facts = portOf({ portId: randomUUID(), networkId: randomUUID() })
    const newer = { ...facts, adminUp: false, allowedPairs: [{ cidr: '10.0.0.9/32', mac: facts.mac }] }
    await driver.refreshPorts([newer])
    await driver.plug(serverId, [facts])
    for (const ports of [[newer], [newer, portOf({ portId: randomUUID() })], []]) await driver.refreshPorts(ports)
    await driver.unplug(serverId)
    await driver.refreshPorts([newer])
  })

  test('a guest is given network cards and lets go of them, before it starts, while it runs and after; each may be asked for twice', async () => {
    const { driver, stateIs, remove, withDisk } = bed()
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

  test('the consoles of a guest open while it runs, and end with it', async () => {
    const { driver, remove, withDisk } = bed()
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
}
