/** A hard reboot makes a guest anew from the database, whatever somebody removed from under it; and takes nothing away for what it cannot bring. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { rebootHard } from '@kilonova/kilonova/actions/reboot.ts'
import type { FakeDriver } from '@kilonova/kilonova/virt/fake/driver.ts'
import { life } from './life.ts'
import { prepare } from './run-case.ts'
import { image } from './things.ts'
import { withStep } from './with-step.ts'
import { worldUp } from './world-up.ts'

const { w, close } = await worldUp()
after(close)

const LOSSES: Readonly<Record<string, (driver: FakeDriver, id: string) => unknown>> = {
  'its definition': (driver, id) => driver.destroy(id),
  'its config drive': async (driver, id) => {
    await driver.removeFiles(id)
    const { id: imageId, diskFormat } = image
    await driver.createDisk({
      serverId: id,
      image: { imageId, diskFormat, hashAlgorithm: 'sha512', hash: 'abc' },
      rootGb: 0,
      local: { ephemeralsGb: [1], swapMb: 64 },
    })
  },
  'the image that its disk stands on': (driver) => driver.loseImages(),
  'its taps': (driver, id) => driver.unplug(id),
}

const hostOf = async (id: string): Promise<FakeDriver> => {
  const driver = w.drivers.get((await w.server(id)).host ?? '')
  assert.ok(driver)
  return driver
}

for (const [what, lose] of Object.entries(LOSSES))
  test(`a server that lost ${what} is as it was after a hard reboot`, async () => {
    const { serverId = '' } = await prepare(w, rebootHard)
    const driver = await hostOf(serverId)
    const [counts, inventory] = [await w.counts(), driver.inventory()]
    await lose(driver, serverId)
    assert.notDeepEqual(driver.inventory(), inventory)
    const conductor = await w.conductor(life())
    try {
      assert.equal(await w.ended((await w.ask(rebootHard, serverId)).taskId), 'succeeded')
    } finally {
      await conductor.close()
    }
    assert.deepEqual([await w.counts(), driver.inventory()], [counts, inventory])
    assert.equal(await driver.missesBase(serverId), false)
  })

test('where the image is not to be had, the guest is left running', async () => {
  const { serverId = '' } = await prepare(w, rebootHard)
  const driver = await hostOf(serverId)
  driver.loseImages()
  const gone = withStep(rebootHard, 'base', (step) => ({
    ...step,
    run: (ctx, done) => step.run({ ...ctx, server: { ...ctx.server, image: null } }, done),
  }))
  const conductor = await w.conductor(life(), gone)
  try {
    assert.equal(await w.ended((await w.ask(rebootHard, serverId)).taskId), 'undone')
  } finally {
    await conductor.close()
  }
  assert.match(
    String((await w.server(serverId)).fault?.message),
    /The image that the disk of instance .* stands on is gone/,
  )
  assert.equal(await driver.powerState(serverId), 'running')
})
