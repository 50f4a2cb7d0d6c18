// One server that goes through bad weather again and again: after each storm it must be where it was or where it was asked to be, and nothing more.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { SessionError, type Session } from '@kilonova/cloud/session.ts'
import { cloudProcess, type CloudProcess } from './cloud-process.ts'
import { freshImage } from './kills.ts'
import { assertOnly, guestPids, leftoversOf, type Leftovers } from './leftovers.ts'
import { act, active, createServer, idOf, show, type Shown } from './servers.ts'

interface Asked {
  /** The status from which it is asked for, and the one it ends in. */
  readonly from: string
  readonly then: string
  readonly body: (imageRef: string) => Readonly<Record<string, unknown>>
  readonly byAdmin?: boolean
}
const plain = (from: string, then: string, key: string): Asked => ({ from, then, body: () => ({ [key]: null }) })
/** What is asked of the server, by the action's name. */
const ASKED = {
  pause: plain('ACTIVE', 'PAUSED', 'pause'),
  unpause: plain('PAUSED', 'ACTIVE', 'unpause'),
  suspend: plain('ACTIVE', 'SUSPENDED', 'suspend'),
  resume: plain('SUSPENDED', 'ACTIVE', 'resume'),
  rescue: plain('ACTIVE', 'RESCUE', 'rescue'),
  unrescue: plain('RESCUE', 'ACTIVE', 'unrescue'),
  shelve: plain('ACTIVE', 'SHELVED', 'shelve'),
  shelveAndOffload: plain('ACTIVE', 'SHELVED_OFFLOADED', 'shelve'),
  shelveOffload: { ...plain('SHELVED', 'SHELVED_OFFLOADED', 'shelveOffload'), byAdmin: true },
  unshelve: plain('SHELVED_OFFLOADED', 'ACTIVE', 'unshelve'),
  unshelveInPlace: plain('SHELVED', 'ACTIVE', 'unshelve'),
  createImage: { from: 'ACTIVE', then: 'ACTIVE', body: () => ({ createImage: { name: 'copy' } }) },
  rebuild: { from: 'ACTIVE', then: 'ACTIVE', body: (imageRef) => ({ rebuild: { imageRef } }) },
} satisfies Readonly<Record<string, Asked>>
export type ActionName = keyof typeof ASKED
/** How a server comes to rest in a status, one action after the other, from ACTIVE. */
const WAY: Readonly<Record<string, readonly ActionName[]>> = {
  PAUSED: ['pause'],
  SUSPENDED: ['suspend'],
  RESCUE: ['rescue'],
  SHELVED: ['shelve'],
  SHELVED_OFFLOADED: ['shelve', 'shelveOffload'],
}
const HOME: Readonly<Record<string, string>> = {
  PAUSED: 'unpause',
  SUSPENDED: 'resume',
  RESCUE: 'unrescue',
  SHELVED: 'unshelve',
  SHELVED_OFFLOADED: 'unshelve',
  SHUTOFF: 'os-start',
}
const homeFrom = (status: string): Readonly<Record<string, unknown>> =>
  status === 'ERROR' ? { reboot: { type: 'HARD' } } : { [HOME[status] ?? status]: null }
const WITH_GUEST: ReadonlySet<string> = new Set(['ACTIVE', 'PAUSED', 'RESCUE'])

/** The promise: a server has settled so long after everything is back. */
const SETTLE_MS = 10_000
const LIMIT_MS = 60_000
const DISK_MIB = 4096

export interface Storm {
  readonly action: ActionName
  /** The step in whose beginning the task waits until the harm is done. Without one the harm comes `afterMs` after the answer. */
  readonly heldAt?: string
  readonly afterMs?: number
  /** For a rebuild: from an image that no host has fetched yet. */
  readonly fresh?: boolean
  /** Whether the guest itself is lost, so that the server may be SHUTOFF, or ERROR with a fault. */
  readonly losesGuest?: boolean
  /** Whether our process dies before the harm, and is back after it. */
  readonly weDieToo?: boolean
  /** Answers with what ends it, for a harm that lasts so many milliseconds. */
  readonly harm: () => Promise<void>
  readonly lasts?: { readonly milliseconds: number; readonly end: () => Promise<void> }
}

export interface Came {
  readonly ending: string
  readonly milliseconds: number
}

export interface ActionBed {
  readonly cloud: CloudProcess
  readonly session: Session
  readonly server: string
  readonly calm: Leftovers
  readonly left: () => Promise<Leftovers>
  /** Dies by SIGKILL at `<action>/<step>/<before|after|undo>` and is started again. */
  die(point: `${ActionName}/${string}`): Promise<Came>
  weather(storm: Storm): Promise<Came>
  restart(env?: Readonly<Record<string, string>>): Promise<void>
  /** Tasks wait at the beginning of that step until the answer is called. */
  hold(point: string): () => void
  /** Until a task of the action is at that step. */
  begun(action: string, step: string): Promise<void>
  /** Until nothing but so much is free. */
  shrinkDisk(freeMib: number): void
  growDisk(): void
  remove(): Promise<void>
}

/** `heldAt` of storms must be told at the start, as `<action>/<step>`. With `ownDisk` the servers' disks lie on a file system of their own, which can be made small. */
export async function actionBed({
  holds = [],
  ownDisk = false,
}: { readonly holds?: readonly string[]; readonly ownDisk?: boolean } = {}): Promise<ActionBed> {
  const cloud = await cloudProcess({ configuration: '[DEFAULT]\n' })
  const instances = join(cloud.stateDir, 'instances')
  const remove = async (): Promise<void> => {
    if (ownDisk) execFileSync('umount', ['--lazy', instances])
    await cloud.remove()
  }
  if (ownDisk) {
    mkdirSync(instances, { mode: 0o711 })
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m,mode=711`, 'tmpfs', instances])
  }
  const shrinkDisk = (freeMib: number): void => {
    const { blocks, bfree, bsize } = statfsSync(instances)
    const size = (blocks - bfree) * bsize + freeMib * 1024 ** 2
    execFileSync('mount', ['-o', `remount,size=${size}`, instances])
  }
  const growDisk = (): void => void execFileSync('mount', ['-o', `remount,size=${DISK_MIB}m`, instances])
  const fileOf = (point: string): string => join(cloud.stateDir, `held-${point.replaceAll('/', '-')}`)
  const holding = holds.map((point) => `${point}/before=${fileOf(point)}`).join(',')
  const start = async (env: Readonly<Record<string, string>> = {}, offload = false): Promise<void> => {
    const conf = ['[DEFAULT]', 'shutdown_timeout = 2', `shelved_offload_time = ${offload ? 0 : -1}`]
    writeFileSync(join(cloud.stateDir, 'kilonova.conf'), `${conf.join('\n')}\n`)
    await cloud.start({ ...(holding === '' ? {} : { HOLD_AT: holding }), ...env })
  }
  try {
    await start()
    const session = await cloud.session('demo')
    const admin = await cloud.session('admin')
    const demo = await idOf(session, 'image', '/v2/images', 'demo')
    const server = await createServer(session, { name: 'steady' })
    await active(session, server)
    const left = (): Promise<Leftovers> => leftoversOf(cloud.stateDir, cloud.installationId())
    const calm = await left()
    const calmImages = await images()

    async function images(): Promise<readonly { readonly id: string; readonly status: string }[]> {
      const { body } = await admin.call('image', 'GET', '/v2/images?limit=100')
      return (body as { images: { id: string; status: string }[] }).images
    }
    const ask = async (name: ActionName, imageRef = demo): Promise<void> => {
      const { body, byAdmin = false }: Asked = ASKED[name]
      await act(byAdmin ? admin : session, server, body(imageRef))
    }
    const agrees = ({ status }: Shown): boolean =>
      status === 'ERROR' ||
      (guestPids(cloud.stateDir).length === (WITH_GUEST.has(status) ? 1 : 0) &&
        (status !== 'SUSPENDED' || memories(cloud.stateDir).join() === WHOLE))
    /** Without a task, in one of the statuses, and the host agrees. */
    const rests = async (statuses: readonly string[], milliseconds: number, agreed = agrees): Promise<Shown> => {
      const until = performance.now() + milliseconds
      for (;;) {
        const shown = await show(session, server)
        assert.ok(shown, 'the server is gone')
        if (shown['OS-EXT-STS:task_state'] === null && statuses.includes(shown.status) && agreed(shown)) return shown
        assert.ok(
          performance.now() < until,
          `not ${statuses.join(' or ')} within ${milliseconds} ms, but ${shown.status} (${shown['OS-EXT-STS:task_state']}) with ${guestPids(cloud.stateDir).length} guests: ${shown.fault?.message ?? 'no fault'}`,
        )
        await pause(50)
      }
    }
    /** Set while a storm goes on: what one of them broke must not be blamed on the next. */
    let broken = false
    const reach = async (status: string): Promise<void> => {
      if (broken) {
        await restart()
        const { status: found } = await rests([...Object.keys(HOME), 'ACTIVE', 'ERROR'], LIMIT_MS, () => true)
        await act(session, server, homeFrom(found === 'ACTIVE' ? 'ERROR' : found))
        await rests(['ACTIVE'], LIMIT_MS)
      }
      broken = true
      for (const name of WAY[status] ?? []) {
        await ask(name)
        await rests([ASKED[name].then], LIMIT_MS)
      }
    }
    /** Whatever it went through, users get it running again by themselves, and then all is as it was. */
    const goHome = async (action: string): Promise<void> => {
      const made = (await images()).filter(({ id }) => calmImages.every((image) => image.id !== id))
      const { status = '' } = (await show(session, server)) ?? {}
      const mayHave = status.startsWith('SHELVED') || action === 'createImage' ? ['active'] : []
      assert.deepEqual(made.map((image) => image.status).slice(1), [], 'more images than one')
      assert.ok(
        made.every((image) => mayHave.includes(image.status)),
        `an image is left: ${JSON.stringify(made)}`,
      )
      if (action === 'createImage') for (const { id } of made) await session.call('image', 'DELETE', `/v2/images/${id}`)
      if (status !== 'ACTIVE') await act(session, server, homeFrom(status))
      await rests(['ACTIVE'], LIMIT_MS)
      if (status === 'SUSPENDED' || action === 'resume')
        assert.ok(guestPids(cloud.stateDir).every(wentOn), 'its memory was lost')
      await assertOnly(calm, left)
      assert.deepEqual(await images(), calmImages)
      assert.deepEqual(memories(cloud.stateDir), [])
      assert.deepEqual(readdirSync(join(cloud.stateDir, 'images')).length, storedImages)
      broken = false
    }
    const storedImages = readdirSync(join(cloud.stateDir, 'images')).length
    const restart = async (env?: Readonly<Record<string, string>>, offload = false): Promise<void> => {
      await cloud.stop('SIGKILL')
      await start(env, offload)
    }
    const begun = async (action: string, step: string): Promise<void> => {
      for (const until = performance.now() + LIMIT_MS; !stepBegan(cloud.stateDir, action, step);) {
        assert.ok(performance.now() < until, `${action} does not come to ${step}`)
        await pause(10)
      }
    }

    const hold = (point: string): (() => void) => {
      writeFileSync(fileOf(point), '')
      return () => rmSync(fileOf(point))
    }

    const die: ActionBed['die'] = async (point) => {
      const [name = '', step = '', when = ''] = point.split('/')
      const action = name as ActionName
      const { from, then }: Asked = ASKED[action]
      await reach(from)
      const fail = when === 'undo' ? { FAIL_AT: `${action}/${step}` } : {}
      await restart({ KILL_AT: point, ...fail }, action === 'shelveAndOffload')
      // It may die before it has answered.
      await ask(action).catch((error: unknown) => assert.ok(!(error instanceof SessionError), String(error)))
      const { signal, code, output } = await cloud.ended(LIMIT_MS)
      assert.equal(signal, 'SIGKILL', `it should have died at ${point}, but ended with ${code}: ${output}`)
      await start()
      const ready = performance.now()
      const { status } = await rests([when === 'undo' ? from : then], SETTLE_MS)
      const milliseconds = performance.now() - ready
      assert.deepEqual((await left()).unfinishedTasks, [])
      await goHome(action)
      return { ending: status, milliseconds }
    }

    const weather: ActionBed['weather'] = async (storm) => {
      const { action, heldAt, afterMs = 0, fresh = false, losesGuest = false, weDieToo = false, harm, lasts } = storm
      const { from, then }: Asked = ASKED[action]
      await reach(from)
      const imageRef = fresh ? await freshImage(session, cloud, 'fresh') : demo
      const letGo = heldAt === undefined ? () => undefined : hold(`${action}/${heldAt}`)
      await ask(action, imageRef)
      try {
        if (heldAt !== undefined) await begun(action, heldAt)
        else await pause(afterMs) // no wait for anything: any moment will do
        if (weDieToo) await cloud.stop('SIGKILL')
        await harm()
        if (weDieToo) await start()
      } finally {
        letGo()
      }
      await pause(lasts?.milliseconds ?? 0)
      await lasts?.end()
      const back = performance.now()
      const { status, fault } = await rests([from, then, ...(losesGuest ? ['SHUTOFF', 'ERROR'] : [])], SETTLE_MS)
      const milliseconds = performance.now() - back
      if (status === 'ERROR') assert.ok(fault && fault.message !== '', 'it failed and says not why')
      assert.deepEqual((await left()).unfinishedTasks, [])
      if (fresh) await session.call('image', 'DELETE', `/v2/images/${imageRef}`)
      await goHome(action)
      return { ending: status, milliseconds }
    }
    return { cloud, session, server, calm, left, die, weather, restart, hold, begun, shrinkDisk, growDisk, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** How the files begin in which libvirt keeps memories: `LibvirtQemudPart` until all of it is there. */
export const memories = (stateDir: string): readonly string[] => {
  const folder = join(stateDir, 'libvirt/lib/qemu/save')
  return (existsSync(folder) ? readdirSync(folder) : []).map((name) =>
    readFileSync(join(folder, name)).toString('latin1', 0, WHOLE.length),
  )
}
const WHOLE = 'LibvirtQemudSave'
const wentOn = (pid: number): boolean => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0-incoming\0')

function stepBegan(stateDir: string, action: string, step: string): boolean {
  const database = new DatabaseSync(join(stateDir, 'kilonova.sqlite'), { readOnly: true })
  const sql = `SELECT 1 FROM journal JOIN tasks ON tasks.id = journal.task_id
    WHERE finished_at IS NULL AND action = ? AND step = ? AND event = 'started'`
  try {
    return database.prepare(sql).get(action, step) !== undefined
  } finally {
    database.close()
  }
}
