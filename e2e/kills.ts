// One kill: the process dies by SIGKILL at a named point of a task and is started again; the server must settle, and nothing may be left.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { exchange } from '@kilonova/base/http/client.ts'
import type { Session } from '@kilonova/cloud/session.ts'
import { ACTIONS } from '@kilonova/kilonova/actions/index.ts'
import { cloudProcess, type CloudProcess } from './cloud-process.ts'
import { demoImage } from './demo-image.ts'
import { assertOnly, leftoversOf, type Leftovers } from './leftovers.ts'
import { active, createServer, removeServer, serverNamed, settled } from './servers.ts'

export interface KillPoint {
  readonly action: 'create' | 'delete'
  readonly step: string
  readonly when: 'before' | 'after' | 'undo'
}
export const nameOf = ({ action, step, when }: KillPoint): string => `${action}/${step}/${when}`

/** A step without an undo of its own cannot die in it; after the pivot nothing is undone. */
export const ALL_POINTS: readonly KillPoint[] = (['create', 'delete'] as const).flatMap((action) => {
  const { steps = [], pivotAt = 0 } = ACTIONS[action] ?? {}
  return steps.flatMap(({ name: step, undo }, index) => [
    { action, step, when: 'before' } as const,
    { action, step, when: 'after' } as const,
    ...(undo !== undefined && index < pivotAt ? [{ action, step, when: 'undo' } as const] : []),
  ])
})

export interface Ending {
  /** The server's status, or GONE. */
  readonly ending: string
  /** From the restart's readiness until the server had settled. */
  readonly milliseconds: number
  readonly fault: string | undefined
}
export interface Survived extends Ending {
  readonly point: KillPoint
}

export interface KillBed {
  readonly cloud: CloudProcess
  survive(point: KillPoint): Promise<Survived>
  /** Killed so long after the request was answered, wherever the task may be by then. */
  surviveAfter(action: KillPoint['action'], delayMs: number): Promise<Ending>
  remove(): Promise<void>
}

/** The promise: a server has settled so long after the restart is ready. */
const SETTLE_MS = 10_000

/** A cloud with one server that lives through it all and must not lose anything either. */
export async function killBed(): Promise<KillBed> {
  const cloud = await cloudProcess()
  const count = (): Promise<Leftovers> => leftoversOf(cloud.stateDir, cloud.installationId())
  try {
    await cloud.start()
    const session = await cloud.session('demo')
    const neighbour = await createServer(session, { name: 'neighbour' })
    await active(session, neighbour)
    const before = await count()
    assert.equal(before.guests, 1)

    const restartWith = async (env?: Readonly<Record<string, string>>): Promise<void> => {
      await cloud.stop('SIGKILL')
      await cloud.start(env)
    }

    const survive = async (point: KillPoint): Promise<Survived> => {
      const name = nameOf(point)
      // An image nobody has fetched yet, where fetching is the point.
      const imageId =
        point.action === 'create' && point.step === 'image' ? await freshImage(session, cloud, name) : undefined
      const wish = {
        name: `dies-at-${point.step}-${point.when}`,
        configDrive: true,
        ...(imageId === undefined ? {} : { imageId }),
      }
      let id = ''
      if (point.action === 'delete') await active(session, (id = await createServer(session, wish)))
      await restartWith({
        KILL_AT: name,
        ...(point.when === 'undo' ? { FAIL_AT: `${point.action}/${point.step}` } : {}),
      })
      // It may die before it has answered.
      if (point.action === 'delete') await session.call('compute', 'DELETE', `/servers/${id}`).catch(() => undefined)
      else id = await createServer(session, wish).catch(() => '')
      const { signal, code, output } = await cloud.ended()
      assert.equal(signal, 'SIGKILL', `it should have died at ${name}, but ended with ${code}: ${output}`)

      const survived = await comeBack(id || wish.name, point.action, expected(point), name)
      assert.equal(survived.fault, point.when === 'undo' ? `asked to fail at ${point.action}/${point.step}` : undefined)
      if (imageId !== undefined) await session.call('image', 'DELETE', `/v2/images/${imageId}`)
      return { point, ...survived }
    }

    const surviveAfter = async (action: KillPoint['action'], delayMs: number): Promise<Ending> => {
      const label = `${action}, killed after ${delayMs} ms`
      const imageId = await freshImage(session, cloud, label)
      const id = await createServer(session, { name: 'dies-sometime', imageId, configDrive: true })
      if (action === 'delete') {
        await active(session, id)
        await session.call('compute', 'DELETE', `/servers/${id}`)
      }
      await pause(delayMs) // no wait for anything: the moment is what is tried
      await cloud.stop('SIGKILL')
      const survived = await comeBack(id, action, action === 'delete' ? 'GONE' : 'ACTIVE', label)
      await session.call('image', 'DELETE', `/v2/images/${imageId}`)
      return survived
    }

    /** Starts the cloud again and holds it to its promise; the server is known by its id, or by its name where no answer told it. */
    const comeBack = async (
      known: string,
      action: KillPoint['action'],
      wanted: string,
      label: string,
    ): Promise<Ending> => {
      await cloud.start()
      const ready = performance.now()
      const id = known.startsWith('dies-') ? await serverNamed(session, known) : known
      const resting = action === 'delete' ? ['ERROR', 'GONE'] : ['ACTIVE', 'ERROR']
      const server = await settled(session, id, resting, SETTLE_MS)
      const milliseconds = performance.now() - ready
      const ending = server?.status ?? 'GONE'
      assert.equal(ending, wanted, `${label}: ${server?.fault?.message ?? 'no fault'}`)
      const now = await count()
      // It also shows that what is compared in the end was there to be seen.
      assert.deepEqual(sizes(now), ending === 'ACTIVE' ? withOneMore(sizes(before)) : sizes(before), label)
      assert.deepEqual(now.unfinishedTasks, [], label)
      if (server) await removeServer(session, id)
      await assertOnly(before, count)
      return { ending, milliseconds, fault: server?.fault?.message }
    }
    return { cloud, survive, surviveAfter, remove: () => cloud.remove() }
  } catch (error) {
    await cloud.remove()
    throw error
  }
}

const sizes = ({
  domains,
  guests,
  links,
  leases,
  ports,
  allocations,
}: Leftovers): Readonly<Record<string, number>> => ({
  domains: domains.length,
  guests,
  links: links.length,
  leases,
  ports,
  allocations,
})

/** A server's port has two links: a tap, and a wire. */
const withOneMore = (before: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(before).map(([what, number]) => [what, number + (what === 'links' ? 2 : 1)]))

/** A task goes on where it stood; one that was being undone goes on being undone. */
const expected = ({ action, when }: KillPoint): string =>
  action === 'delete' ? 'GONE' : when === 'undo' ? 'ERROR' : 'ACTIVE'

/** The demo image with other content: bytes behind the end of a qcow2 mean nothing to it. */
export async function freshImage(session: Session, cloud: CloudProcess, name: string): Promise<string> {
  const made = await session.call('image', 'POST', '/v2/images', {
    name,
    disk_format: 'qcow2',
    container_format: 'bare',
  })
  const { id } = made.body as { id: string }
  const content = Buffer.concat([readFileSync(await demoImage()), Buffer.from(id)])
  const answer = await exchange({
    method: 'PUT',
    url: `${cloud.url('image')}/v2/images/${id}/file`,
    headers: { 'x-auth-token': session.token, 'content-type': 'application/octet-stream' },
    stream: Readable.from([content]),
  })
  assert.equal(answer.status, 204)
  return id
}

/** A line per step: how it ended and how soon, for each moment of death. */
export function table(all: readonly Survived[]): string {
  const cell = (step: string, when: KillPoint['when']) => {
    const found = all.find(({ point }) => `${point.action}/${point.step}` === step && point.when === when)
    return (found ? `${found.ending} ${(found.milliseconds / 1000).toFixed(1)} s` : '-').padEnd(14)
  }
  const steps = [...new Set(all.map(({ point }) => `${point.action}/${point.step}`))]
  const lines = steps.map(
    (step) => `${step.padEnd(20)} ${(['before', 'after', 'undo'] as const).map((when) => cell(step, when)).join(' ')}`,
  )
  return [
    `${'killed at'.padEnd(20)} ${['before', 'after', 'undo'].map((when) => when.padEnd(14)).join(' ')}`,
    ...lines,
    `${all.length} kills`,
  ].join('\n')
}
