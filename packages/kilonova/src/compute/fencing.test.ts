/** What may come in at the door of a host's verbs, in which order, and how often it has its effect. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFences } from './fence-store.ts'
import { fencing, StaleEpochError } from './fencing.ts'

const fence = (serverId: string, key: string, epoch: number) => ({ serverId, key, epoch })

test('a lower epoch than the highest seen is refused, also when it was overtaken while it waited', async () => {
  const door = fencing(memoryFences(), 4)
  const gate = Promise.withResolvers<string>()
  const begun = Promise.withResolvers<void>()
  const first = door.run('start', fence('s', 'a', 1), () => {
    begun.resolve()
    return gate.promise
  })
  await begun.promise
  const overtaken = door.run('start', fence('s', 'b', 1), async () => assert.fail('must not run'))
  const newer = door.run('destroy', fence('s', 'c', 2), async () => 'destroyed')
  await assert.rejects(
    door.run('start', fence('s', 'd', 1), async () => ''),
    StaleEpochError,
  )
  gate.resolve('started')
  await assert.rejects(overtaken, StaleEpochError)
  assert.deepEqual([await first, await newer], ['started', 'destroyed'])
})

test('a repeat joins the first while it runs and gets its answer after; another verb of the same key runs', async () => {
  const door = fencing(memoryFences(), 4)
  let runs = 0
  const gate = Promise.withResolvers<void>()
  const work = async () => {
    runs++
    await gate.promise
    return 'answer'
  }
  const first = door.run('plug', fence('s', 'k', 1), work)
  const joined = door.run('plug', fence('s', 'k', 1), work)
  gate.resolve()
  assert.deepEqual([await first, await joined], ['answer', 'answer'])
  assert.equal(await door.run('plug', fence('s', 'k', 2), work), 'answer')
  assert.equal(runs, 1)
  assert.equal(await door.run('unplug', fence('s', 'k', 2), async () => 'other'), 'other')
})

test('what failed runs again when it is asked for again', async () => {
  const door = fencing(memoryFences(), 4)
  await assert.rejects(
    door.run('plug', fence('s', 'k', 1), () => Promise.reject(new Error('no'))),
    /no/,
  )
  assert.equal(await door.run('plug', fence('s', 'k', 1), async () => 'now'), 'now')
})

test('verbs of one server run one at a time, of different servers up to the bound', async () => {
  const door = fencing(memoryFences(), 3)
  let now = 0
  let most = 0
  const perServer = new Map<string, number>()
  const work = (serverId: string) => async () => {
    const mine = (perServer.get(serverId) ?? 0) + 1
    assert.equal(mine, 1)
    perServer.set(serverId, mine)
    most = Math.max(most, ++now)
    await new Promise(setImmediate)
    now--
    perServer.set(serverId, 0)
  }
  const asked = Array.from({ length: 60 }, (_, i) =>
    door.run('verb', fence(`s${i % 6}`, `k${i}`, 1), work(`s${i % 6}`)),
  )
  await Promise.all(asked)
  assert.equal(most, 3)
  await door.idle()
  assert.equal(door.isBusy('s1'), false)
})
