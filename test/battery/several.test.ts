/** Several servers by one request: placed all or none, whatever dies meanwhile; and from then on each stands for itself. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ACTIONS } from '@kilonova/kilonova/actions/index.ts'
import { create } from '@kilonova/kilonova/actions/create.ts'
import { deleteServer } from '@kilonova/kilonova/actions/delete.ts'
import { killPoints, type KillPoints } from '@kilonova/kilonova/task/kill-points.ts'
import { HARMS, type Harm } from './harms.ts'
import { life } from './life.ts'
import type { Asked, Counts } from './things.ts'
import { worldUp } from './world-up.ts'

const COUNT = 3
/** What a dead conductor takes in its last moment is free again soon. */
const SHORT = { leaseMs: 2_000 }
const { w, close } = await worldUp()
after(close)
before(async () => {
  const conductor = await w.conductor(life())
  const empty = await w.counts()
  const [only] = await w.createSeveral(1)
  assert.ok(only)
  assert.equal(await w.ended(only.taskId), 'succeeded')
  one = grown(empty, await w.counts())
  assert.deepEqual([one['guests'], one['plugged'], one['ports'], one['allocations'], one['held']], [1, 1, 1, 1, 0])
  await conductor.close()
  await remove([only])
})

/** What is there more of than before. */
function grown(before: Counts, now: Counts) {
  const { guests, ...rest } = now
  const { guests: _, ...was } = before
  const change = Object.entries(rest).map(([key, value]) => [key, value - was[key as keyof typeof was]])
  return { ...Object.fromEntries(change), guests: guests.length - before.guests.length } as Record<string, number>
}
/** What one more server is, when nothing goes wrong. */
let one: Readonly<Record<string, number>> = {}
const ofServers = (count: number) =>
  Object.fromEntries(Object.entries(one).map(([what, number]) => [what, number * count]))

async function remove(servers: readonly Asked[]): Promise<void> {
  w.setWeather('calm')
  const conductor = await w.conductor(life())
  for (const { serverId } of servers) await w.ended((await w.ask(deleteServer, serverId)).taskId)
  await conductor.close()
}

/** One step of one of them is harmed; a conductor that dies is followed by another. */
async function harmed(stepName: string, harm: Harm, weather: 'calm' | 'storm') {
  let living = life()
  let killed = false
  const die = (): never => living.die()
  const steps = create.steps.map((step) => (step.name === stepName ? harm.harmed(step, die) : step))
  const kills: KillPoints = {
    ...killPoints({}),
    kill: (name, step, when) => {
      if (killed || name !== 'create' || step !== stepName || when !== harm.kill) return
      killed = true
      die()
    },
  }
  const actions = { ...ACTIONS, create: { ...create, steps } }
  w.setWeather(weather)
  let conductor = await w.conductor(living, actions, kills, SHORT)
  try {
    const servers = await w.createSeveral(COUNT)
    const ends = Promise.all(servers.map(({ taskId }) => w.ended(taskId)))
    for (;;) {
      const results = await Promise.race([ends, living.died])
      if (results) return { servers, results }
      await conductor.close()
      living = life()
      conductor = await w.conductor(living, actions, kills, SHORT)
    }
  } finally {
    w.setWeather('calm')
    await conductor.close()
  }
}

for (const weather of ['calm', 'storm'] as const)
  describe(`${String(COUNT)} servers at once, ${weather} bus`, () => {
    for (const step of ['claim', 'start'])
      for (const harm of HARMS)
        test(`${step} of one ${harm.name}`, async () => {
          const before = await w.counts()
          const { servers, results } = await harmed(step, harm, weather)
          const made = results.filter((result) => result === 'succeeded').length
          if (weather === 'calm') assert.ok(made >= (harm.ends === 'then' ? COUNT : 0), `${made} were made`)
          assert.deepEqual(grown(before, await w.counts()), ofServers(made))
          for (const [index, { serverId }] of servers.entries()) {
            const { vmState, placed } = await w.standing(serverId)
            assert.deepEqual([vmState, placed], results[index] === 'succeeded' ? ['active', true] : ['error', false])
          }
          await remove(servers)
          assert.deepEqual(grown(before, await w.counts()), ofServers(0))
        })
  })

test('when there is no room for all of them, none is placed, and each says why', async () => {
  const before = await w.counts()
  const { flavor } = await w.server((await w.createSeveral(1))[0]?.serverId ?? '')
  const conductor = await w.conductor(life())
  const servers = await w.createSeveral(COUNT, { flavor: { ...flavor, vcpus: 6_000 } })
  const ends = await Promise.all(servers.map(({ taskId }) => w.ended(taskId)))
  assert.deepEqual(ends, ['undone', 'undone', 'undone'])
  for (const { serverId } of servers)
    assert.match((await w.server(serverId)).fault?.message ?? '', /^No valid host was found. 2 of 3 servers find room/)
  const two = await w.createSeveral(2, { flavor: { ...flavor, vcpus: 6_000 } })
  assert.deepEqual(await Promise.all(two.map(({ taskId }) => w.ended(taskId))), ['succeeded', 'succeeded'])
  const places = await Promise.all(two.map(async ({ serverId }) => (await w.server(serverId)).host))
  assert.equal(new Set(places).size, 2)
  await conductor.close()
  await remove([...servers, ...two])
  assert.ok(grown(before, await w.counts())['allocations'] === 1)
})

test('one that is deleted before they are placed is left out', async () => {
  const before = await w.counts()
  const servers = await w.createSeveral(COUNT)
  const [first] = servers
  assert.ok(first)
  const removal = await w.ask(deleteServer, first.serverId)
  const conductor = await w.conductor(life())
  const ends = await Promise.all(servers.map(({ taskId }) => w.ended(taskId)))
  assert.deepEqual(ends, ['undone', 'succeeded', 'succeeded'])
  assert.equal(await w.ended(removal.taskId), 'succeeded')
  await conductor.close()
  assert.deepEqual(grown(before, await w.counts()), ofServers(2))
  await remove(servers.slice(1))
})
