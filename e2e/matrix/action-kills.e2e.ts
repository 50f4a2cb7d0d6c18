// Bad weather amid what users do with a server, on real QEMU: our process, libvirtd and QEMU killed, the image service away, the disk full.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { after, before, test } from 'node:test'
import { actionBed, memories, type ActionBed, type ActionName, type Came, type Storm } from '../action-bed.ts'
import { assertOnly, guestPids } from '../leftovers.ts'
import { createServer, settled } from '../servers.ts'

const DEATHS: readonly `${ActionName}/${string}`[] = [
  'pause/pause/after',
  'suspend/suspend/after',
  'suspend/suspend/undo',
  'resume/resume/after',
  'resume/resume/undo',
  'createImage/image/undo',
  'createImage/copy/after',
  'createImage/upload/before',
  'createImage/upload/after',
  'createImage/copy/undo',
  'createImage/drop/before',
  'rescue/disk/after',
  'rescue/record/undo',
  'rescue/start/before',
  'rescue/start/undo',
  'unrescue/destroy/after',
  'unrescue/start/undo',
  'unrescue/drop/before',
  'rebuild/destroy/after',
  'rebuild/aside/undo',
  'rebuild/disk/after',
  'rebuild/start/undo',
  'rebuild/drop/before',
  'shelve/copy/after',
  'shelve/record/undo',
  'shelveAndOffload/upload/after',
  'shelveAndOffload/files/before',
  'unshelve/claim/undo',
  'unshelve/disk/after',
  'unshelve/start/undo',
  'unshelve/forget/before',
  'unshelveInPlace/start/after',
]
const HELD = [
  'create/start',
  'createImage/copy',
  'createImage/pending',
  'createImage/upload',
  'rescue/start',
  'rebuild/image',
  'rebuild/disk',
  'unshelve/image',
]
const OUTAGE_MS = 4_000
/** So long that the task has been put off several times. */
const LONG_OUTAGE_MS = 25_000
const TABLE = `${process.env['KILONOVA_TEST_PREFIX'] ?? 'ktak'}-away`

let bed: ActionBed
before(async () => {
  bed = await actionBed({ holds: HELD, ownDisk: true })
})
after(() => bed.remove())

const came = ({ ending, milliseconds }: Came): string => `${ending} after ${(milliseconds / 1000).toFixed(1)} s`

for (const point of DEATHS)
  test(`killed at ${point}`, async (t) => {
    t.diagnostic(came(await bed.die(point)))
  })

for (const point of ['delete/destroy/before', 'delete/ports/after', 'create/disk/undo'])
  test(`a server deleted while it is built, killed at ${point}`, async () => {
    await bed.restart({ KILL_AT: point })
    const letGo = bed.hold('create/start')
    const id = await createServer(bed.session, { name: 'short' })
    await bed.begun('create', 'start')
    await bed.session.call('compute', 'DELETE', `/servers/${id}`).catch(() => undefined)
    const { signal, output } = await bed.cloud.ended()
    assert.equal(signal, 'SIGKILL', output)
    letGo()
    await bed.restart()
    await settled(bed.session, id, ['GONE'], 10_000)
    await assertOnly(bed.calm, bed.left)
  })

const weather = (name: string, storm: () => Storm): void =>
  void test(name, { timeout: 180_000 }, async (t) => {
    t.diagnostic(came(await bed.weather(storm())))
  })

const killLibvirtd = async (): Promise<void> => {
  const file = join(bed.cloud.stateDir, 'libvirt/libvirtd.pid')
  process.kill(Number(readFileSync(file, 'utf8').split(' ')[0]), 'SIGKILL')
}
const run = promisify(execFile)
const libvirtdIsBack = async (): Promise<void> => {
  const socket = join(bed.cloud.stateDir, 'libvirt/run/libvirt-sock')
  const answers = () =>
    run('virsh', ['-c', `qemu:///system?socket=${socket}`, 'list']).then(
      () => true,
      () => false,
    )
  for (const until = Date.now() + 30_000; !(await answers());) assert.ok(Date.now() < until, 'libvirtd stays away')
}
const libvirtdDies = { harm: killLibvirtd, lasts: { milliseconds: 0, end: libvirtdIsBack } }
const killGuest = async (): Promise<void> => {
  for (const pid of guestPids(bed.cloud.stateDir)) process.kill(pid, 'SIGKILL')
}
for (const afterMs of [50, 200, 500]) {
  for (const action of ['suspend', 'createImage', 'rescue', 'resume'] as const)
    weather(`libvirtd killed ${afterMs} ms after ${action}`, () => ({ action, afterMs, ...libvirtdDies }))
  for (const action of ['suspend', 'createImage', 'pause'] as const)
    weather(`QEMU killed ${afterMs} ms after ${action}`, () => ({
      action,
      afterMs,
      losesGuest: true,
      harm: killGuest,
    }))
}
weather('libvirtd and QEMU killed as a memory is written: half of it is none', () => ({
  action: 'suspend',
  losesGuest: true,
  harm: async () => {
    for (const until = Date.now() + 10_000; !memories(bed.cloud.stateDir).includes('LibvirtQemudPart');)
      assert.ok(Date.now() < until, 'no memory is written')
    await killLibvirtd()
    await killGuest()
  },
}))
weather('our process and QEMU killed amid a copy: the server follows when its task has ended', () => ({
  action: 'createImage',
  heldAt: 'upload',
  losesGuest: true,
  weDieToo: true,
  harm: killGuest,
}))
weather('libvirtd killed as a rescued guest is to start', () => ({
  action: 'rescue',
  heldAt: 'start',
  ...libvirtdDies,
}))

/** Every connection to the image service is reset, and no new one comes about. */
const away = async (): Promise<void> => {
  const { port } = new URL(bed.cloud.url('image'))
  const chain = `chain out { type filter hook output priority 0; oif lo tcp dport ${port} reject with tcp reset; }`
  execFileSync('nft', ['-f', '-'], { input: `table inet ${TABLE} {\n${chain}\n}\n` })
}
const thereAgain = async (): Promise<void> => void execFileSync('nft', ['delete', 'table', 'inet', TABLE])
for (const milliseconds of [OUTAGE_MS, LONG_OUTAGE_MS])
  for (const step of ['pending', 'upload'])
    weather(`the image service is away for ${milliseconds} ms as createImage is at ${step}`, () => ({
      action: 'createImage',
      heldAt: step,
      harm: away,
      lasts: { milliseconds, end: thereAgain },
    }))
weather('the image service is away as a rebuild fetches its image', () => ({
  action: 'rebuild',
  heldAt: 'image',
  fresh: true,
  harm: away,
  lasts: { milliseconds: OUTAGE_MS, end: thereAgain },
}))
for (const milliseconds of [OUTAGE_MS, LONG_OUTAGE_MS])
  weather(`the image service is away for ${milliseconds} ms as a shelved server is taken back`, () => ({
    action: 'unshelve',
    heldAt: 'image',
    harm: away,
    lasts: { milliseconds, end: thereAgain },
  }))

const fill = (freeMib: number) => async (): Promise<void> => bed.shrinkDisk(freeMib)
const empty = async (): Promise<void> => bed.growDisk()
for (const [what, freeMib] of [
  ['before a copy begins', 1],
  ['while a disk is copied', 24],
] as const)
  weather(`the disk is full ${what}`, () => ({
    action: 'createImage',
    heldAt: 'copy',
    harm: fill(freeMib),
    lasts: { milliseconds: 3_000, end: empty },
  }))
weather('the disk is full as a rebuild fetches its image', () => ({
  action: 'rebuild',
  heldAt: 'image',
  fresh: true,
  harm: fill(2),
  lasts: { milliseconds: 3_000, end: empty },
}))
weather('the disk is full as a rebuild makes its disk', () => ({
  action: 'rebuild',
  heldAt: 'disk',
  harm: fill(0),
  lasts: { milliseconds: 3_000, end: empty },
}))
