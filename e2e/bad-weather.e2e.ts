// Bad weather around a cloud on real QEMU: daemons, guests and the whole process killed, a full disk, an image gone too soon.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import type { Session } from '@kilonova/cloud/session.ts'
import { cloudProcess, type CloudProcess } from './cloud-process.ts'
import { bootIdOf, inGuest, newKey } from './guest-shell.ts'
import { freshImage } from './kills.ts'
import { assertOnly, guestPids, leftoversOf, type Leftovers } from './leftovers.ts'
import {
  act,
  active,
  consoleShows,
  createServer,
  prompts,
  removeServer,
  settled,
  show,
  taskStateBecomes,
} from './servers.ts'

let cloud: CloudProcess
let session: Session
let folder = ''
let key = ''
/** A server that every storm leaves alone, or that comes back from it. */
let id = ''
let address = ''
let calm: Leftovers
/** While this file exists no create looks at its image. */
let held = ''

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weather-'))
  key = join(folder, 'key')
  await newKey(key)
  cloud = await cloudProcess()
  held = join(folder, 'held')
  await cloud.start({ HOLD_AT: `create/image/before=${held}` })
  session = await cloud.session('demo')
  await session.call('compute', 'POST', '/os-keypairs', {
    keypair: { name: 'mine', type: 'ssh', public_key: readFileSync(`${key}.pub`, 'utf8').trim() },
  })
  id = await createServer(session, { name: 'steady', keyName: 'mine' })
  address = Object.values((await active(session, id)).addresses)[0]?.[0]?.addr ?? ''
  calm = await left()
  await consoleShows(session, id, (text) => prompts(text) > 0)
})
after(async () => {
  await cloud.remove()
  rmSync(folder, { recursive: true, force: true })
})

const left = (of = cloud): Promise<Leftovers> => leftoversOf(of.stateDir, of.installationId())
const libvirtdPid = (): number =>
  Number(readFileSync(join(cloud.stateDir, 'libvirt/libvirtd.pid'), 'utf8').split(' ')[0])
const stopAndStart = async (): Promise<void> => {
  await act(session, id, { 'os-stop': null })
  await settled(session, id, ['SHUTOFF'], 90_000)
  await act(session, id, { 'os-start': null })
  await active(session, id)
}

test('libvirtd killed while idle: the guest runs on, and the next things asked for work', async () => {
  const bootId = await bootIdOf(address, key)
  process.kill(libvirtdPid(), 'SIGKILL')
  const other = await createServer(session, { name: 'after-the-kill' })
  await active(session, other)
  assert.equal(await bootIdOf(address, key), bootId)
  await removeServer(session, other)
  await assertOnly(calm, left)
  await stopAndStart()
  assert.notEqual(await bootIdOf(address, key), bootId)
})

const qemuAppears = async (): Promise<void> => {
  const until = performance.now() + 10_000
  while (guestPids(cloud.stateDir).length < 2) {
    assert.ok(performance.now() < until, 'no QEMU was started')
    await pause(1)
  }
}
// Any moment will do: the pauses are no waits for something. The worst are those around the birth of QEMU's process.
const moments: readonly (readonly [string, () => Promise<unknown>])[] = [
  ...[0, 120, 150, 180, 210, 240, 400].map((ms) => [`${ms} ms after`, () => pause(ms)] as const),
  ['when QEMU has just appeared after', qemuAppears],
]
for (const [when, moment] of moments)
  test(`libvirtd killed ${when} a create: the server gets there all the same`, async () => {
    const other = await createServer(session, { name: 'stormy' })
    await moment()
    process.kill(libvirtdPid(), 'SIGKILL')
    await active(session, other)
    assert.equal(guestPids(cloud.stateDir).length, 2)
    await removeServer(session, other)
    await assertOnly(calm, left)
  })

test('QEMU killed: the server is SHUTOFF at once, and can be started again', async () => {
  for (const pid of guestPids(cloud.stateDir)) process.kill(pid, 'SIGKILL')
  await settled(session, id, ['SHUTOFF'], 2_000)
  await act(session, id, { 'os-start': null })
  await active(session, id)
  await bootIdOf(address, key)
})

test('the disk is full while an image is copied: the fault says so, and nothing is left', async () => {
  const imageId = await freshImage(session, cloud, 'does-not-fit')
  const base = join(cloud.stateDir, 'instances/_base')
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', base])
  try {
    const other = await createServer(session, { name: 'too-much', imageId })
    const server = await settled(session, other, ['ACTIVE', 'ERROR'], 30_000)
    assert.equal(server?.status, 'ERROR')
    assert.match(String(server.fault?.message), /the disk of host \S+ is full: image \S+ \(\d+ MiB\) does not fit/)
    await removeServer(session, other)
    await assertOnly(calm, left)
    assert.equal(execFileSync('ls', ['-A', base], { encoding: 'utf8' }), '')
  } finally {
    execFileSync('umount', [base])
  }
  const again = await createServer(session, { name: 'fits-now', imageId })
  await active(session, again)
  await removeServer(session, again)
  await session.call('image', 'DELETE', `/v2/images/${imageId}`)
})

test('the image is deleted between accept and boot: the fault names it, and nothing is left', async () => {
  const imageId = await freshImage(session, cloud, 'gone-too-soon')
  writeFileSync(held, '')
  const other = await createServer(session, { name: 'late', imageId })
  const building = await taskStateBecomes(session, other, 'block_device_mapping')
  assert.equal(building.status, 'BUILD')
  const { ports, allocations, unfinishedTasks } = await left()
  assert.deepEqual(
    { ports, allocations, unfinishedTasks },
    { ports: calm.ports + 1, allocations: calm.allocations + 1, unfinishedTasks: [`create ${other}`] },
  )
  await session.call('image', 'DELETE', `/v2/images/${imageId}`)
  rmSync(held)
  const server = await settled(session, other, ['ACTIVE', 'ERROR'], 30_000)
  assert.equal(server?.status, 'ERROR')
  assert.match(String(server.fault?.message), new RegExp(`image ${imageId} is gone`))
  await assertOnly(calm, left)
  await removeServer(session, other)
  await assertOnly(calm, left)
})

test('stopped by Ctrl-C it ends with 0 and guests run on; started again it finds them', async () => {
  const bootId = await bootIdOf(address, key)
  const { code, output } = await cloud.stop('SIGINT')
  assert.equal(code, 0, output)
  assert.match(output, /servers keep running/)
  assert.equal(guestPids(cloud.stateDir).length, 1)
  assert.equal(await bootIdOf(address, key), bootId, 'it is reached without us')
  await cloud.start()
  assert.equal((await show(session, id))?.status, 'ACTIVE')
  assert.equal(await bootIdOf(address, key), bootId)
  await consoleShows(session, id, (text) => prompts(text) > 0)
  await stopAndStart()
  assert.notEqual(await bootIdOf(address, key), bootId)
})

test('killed while idle it finds its guests again, and a guest that ended meanwhile is SHUTOFF', async () => {
  await cloud.stop('SIGKILL')
  for (const pid of guestPids(cloud.stateDir)) process.kill(pid, 'SIGKILL')
  await cloud.start()
  await settled(session, id, ['SHUTOFF'], 2_000)
  await act(session, id, { 'os-start': null })
  await active(session, id)
  await inGuest(address, key, 'true')
})
