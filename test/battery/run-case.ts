/** One case of the battery: an action, one step of it, one harm. A conductor that dies is followed by a new one of its name. */
import assert from 'node:assert/strict'
import { ACTIONS } from '@kilonova/kilonova/actions/index.ts'
import type { ServerAction } from '@kilonova/kilonova/actions/define.ts'
import { deleteServer } from '@kilonova/kilonova/actions/delete.ts'
import { killPoints, type KillPoints } from '@kilonova/kilonova/task/kill-points.ts'
import type { Harm } from './harms.ts'
import { life } from './life.ts'
import type { Asked, Counts } from './things.ts'
import type { World } from './world.ts'

/** What must be there before an action can be asked for. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  create: [],
  start: ['stop'],
  unpause: ['pause'],
  resume: ['suspend'],
  unrescue: ['rescue'],
  shelveOffload: ['shelve'],
  unshelve: ['shelveAndOffload'],
  unshelveInPlace: ['shelve'],
  restore: ['softDelete'],
}

async function calmly<T>(world: World, work: () => Promise<T>): Promise<T> {
  world.setWeather('calm')
  const conductor = await world.conductor(life())
  try {
    return await work()
  } finally {
    await conductor.close()
  }
}

/** A server with its user's port, brought into the state that the action starts from. */
export function prepare(
  world: World,
  action: ServerAction,
): Promise<{ readonly serverId?: string; readonly portId: string }> {
  return calmly(world, async () => {
    const portId = await world.userPort()
    if (action.name === 'create') return { portId }
    const { serverId, taskId } = await world.create(portId)
    assert.equal(await world.ended(taskId), 'succeeded')
    for (const name of NEEDS[action.name] ?? []) {
      const before = ACTIONS[name]
      if (before) assert.equal(await world.ended((await world.ask(before, serverId)).taskId), 'succeeded')
    }
    return { serverId, portId }
  })
}

export interface Ended {
  readonly asked: Asked
  readonly result: 'succeeded' | 'undone'
  readonly deaths: number
}

/** Runs the action to its end with one step harmed. `action` may be another than the registry's of that name. */
export async function runHarmed(
  world: World,
  action: ServerAction,
  stepName: string,
  harm: Harm,
  ask: () => Promise<Asked>,
): Promise<Ended> {
  let living = life()
  let killed = false
  const die = (): never => living.die()
  const steps = action.steps.map((step) => (step.name === stepName ? harm.harmed(step, die) : step))
  const kills: KillPoints = {
    ...killPoints({}),
    kill: (name, step, when) => {
      if (killed || name !== action.name || step !== stepName || when !== harm.kill) return
      killed = true
      die()
    },
  }
  const actions = { ...ACTIONS, [action.name]: { ...action, steps } }
  let conductor = await world.conductor(living, actions, kills)
  try {
    const asked = await ask()
    const end = world.ended(asked.taskId)
    for (let deaths = 0; ; deaths++) {
      const result = await Promise.race([end, living.died])
      if (result !== undefined) return { asked, result, deaths }
      await conductor.close()
      living = life()
      conductor = await world.conductor(living, actions, kills)
    }
  } finally {
    await conductor.close()
  }
}

/** The counts without what is said of single servers. */
const numbers = ({ guests, ...rest }: Counts) => ({
  ...rest,
  guests: guests.length,
  running: guests.filter((guest) => guest.endsWith('running')).length,
})
type Numbers = ReturnType<typeof numbers>

export interface Result extends Ended {
  readonly standing: unknown
  readonly change: Partial<Record<keyof Numbers, number>>
}

/** What the case changed in the world. */
export async function runCase(
  world: World,
  action: ServerAction,
  stepName: string,
  harm: Harm,
  weather: 'calm' | 'storm' = 'calm',
): Promise<Result> {
  const { serverId, portId } = await prepare(world, action)
  const before = numbers(await world.counts())
  world.setWeather(weather)
  const ended = await runHarmed(world, action, stepName, harm, () =>
    serverId === undefined ? world.create(portId) : world.ask(action, serverId),
  )
  world.setWeather('calm')
  const after = numbers(await world.counts())
  const change = Object.fromEntries(
    Object.entries(after).flatMap(([key, value]) =>
      value === before[key as keyof Numbers] ? [] : [[key, value - before[key as keyof Numbers]]],
    ),
  )
  const standing = await world.standing(ended.asked.serverId)
  await remove(world, ended.asked.serverId, portId)
  return { ...ended, change, standing }
}

/** Counting costs by what is there: a case leaves its world as empty as it was. */
const remove = (world: World, serverId: string, portId: string): Promise<void> =>
  calmly(world, async () => {
    if ((await world.server(serverId)).vmState !== 'deleted')
      assert.equal(await world.ended((await world.ask(deleteServer, serverId)).taskId), 'succeeded')
    await world.removePort(portId)
  })
