/** The libvirt driver on real QEMU under a libvirtd of its own: the drivers' contract, and the bad weather only a real host has. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import { systemClock } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { loginPrompt } from '../src/virt/contract/bed.ts'
import { driverContract } from '../src/virt/driver.contract.ts'
import { diskOf, guestOf } from '../src/virt/contract-values.ts'
import type { ImageTicket, PortFacts } from '../src/virt/driver.ts'
import type { HostNetwork } from '../src/virt/network/host-network.ts'
import { imageServer } from '../src/virt/image-server.ts'
import { bootsWith } from '../src/virt/libvirt/accelerator.ts'
import { libvirtDriver } from '../src/virt/libvirt/driver.ts'
import { ensureLibvirtd, stopLibvirtd } from '../src/virt/libvirt/libvirtd.ts'
import { demoImage } from './demo-image.ts'

const log = silentLog
const cacheDir = join(process.env['KILONOVA_IMAGE_CACHE'] ?? tmpdir(), 'kilonova-qemu-capabilities')
const never = new AbortController().signal
const ignore = () => {}
const named = (name: string) => (error: unknown) => error instanceof Error && error.name === name
/** Taps that lead nowhere: as much of a network as a guest's cards need. */
function bareTaps(): HostNetwork {
  const plugged = new Map<string, readonly { portId: string; mac: string; mtu: number; tap: string }[]>()
  const plug = (serverId: string, ports: readonly PortFacts[]): void => {
    const had = plugged.get(serverId) ?? []
    const nics = ports.map(({ portId, mac, mtu }) => ({ portId, mac, mtu, tap: `kte2e${portId.slice(0, 8)}` }))
    const isIn = (all: typeof had, tap: string) => all.some((nic) => nic.tap === tap)
    for (const { tap } of nics) if (!isIn(had, tap)) execFileSync('ip', ['tuntap', 'add', tap, 'mode', 'tap'])
    for (const { tap } of had) if (!isIn(nics, tap)) execFileSync('ip', ['link', 'delete', tap])
    plugged.set(serverId, nics)
  }
  return {
    plug: async (serverId, ports) => plug(serverId, ports),
    unplug: async (serverId) => plug(serverId, []),
    refresh: async () => {},
    applyRouters: async () => {},
    nics: async (serverId) => plugged.get(serverId) ?? [],
    inventory: () => Promise.reject(new Error('no inventory here')),
    close: async () => {},
  }
}

async function open(installationId = 'e2e1') {
  const network = bareTaps()
  const stateDir = mkdtempSync(join(tmpdir(), 'kilonova-driver-'))
  const instancesDir = join(stateDir, 'instances')
  const libvirtd = () => ensureLibvirtd({ stateDir, instancesDir, log, cacheDir })
  const reopen = async () => {
    const { socketPath } = await libvirtd()
    return libvirtDriver({
      connection: { socketPath, revive: libvirtd },
      installationId,
      instancesDir,
      stateDir,
      host: 'h1',
      network,
      log,
      clock: systemClock(),
    })
  }
  let current = await reopen()
  return {
    driver: current,
    instancesDir,
    stateDir,
    killLibvirtd: async () => process.kill((await libvirtd()).pid, 'SIGKILL'),
    loseImages: async () => {
      for (const name of readdirSync(join(instancesDir, '_base'))) rmSync(join(instancesDir, '_base', name))
    },
    reopen: async () => {
      await current.close()
      current = await reopen()
      return current
    },
    close: async () => {
      await current.close()
      await stopLibvirtd(stateDir)
      rmSync(stateDir, { recursive: true })
    },
  }
}

async function images() {
  const folder = mkdtempSync(join(tmpdir(), 'kilonova-large-'))
  try {
    const large = join(folder, 'large.qcow2')
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', large, '2G'])
    return { bootable: readFileSync(await demoImage()), large: readFileSync(large) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

driverContract(open, images)

/** A host of its own with a guest's disk in place. */
async function withGuest(t: TestContext, installationId?: string) {
  const host = await open(installationId)
  t.after(() => host.close())
  const { bootable } = await images()
  const server = await imageServer([bootable])
  t.after(() => server.close())
  const ticket: ImageTicket = server.ticketFor(bootable)
  await host.driver.fetchImage(ticket, ignore, never)
  const serverId = randomUUID()
  await host.driver.createDisk(diskOf(serverId, ticket))
  return { ...host, ticket, serverId, qemus: () => qemusOf(serverId) }
}

/** The processes that run the guest, by their command lines. */
const qemusOf = (serverId: string): number[] => processesWith(`\0${serverId}\0`)

const processesWith = (words: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter(
      (pid) => existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(words),
    )
    .map(Number)

test('libvirtd killed while it starts a guest: the guest runs, once', async (t) => {
  const { driver, serverId, killLibvirtd, qemus } = await withGuest(t)
  const starting = driver.start(guestOf(serverId))
  await killLibvirtd()
  await starting
  assert.equal(await driver.powerState(serverId), 'running')
  assert.equal(qemus().length, 1)
  await loginPrompt(driver, serverId)
})

test('libvirtd killed while guests run: they run on, and what happened meanwhile is told', async (t) => {
  const { driver, serverId, killLibvirtd, qemus } = await withGuest(t)
  await driver.start(guestOf(serverId))
  const told = Promise.withResolvers<string>()
  driver.onPowerChange(({ event }) => told.resolve(event))
  await killLibvirtd()
  assert.equal(qemus().length, 1)
  for (const pid of qemus()) process.kill(pid, 'SIGKILL')
  assert.match(await told.promise, /^(crashed|stopped)$/)
  assert.notEqual(await driver.powerState(serverId), 'running')
  await driver.start(guestOf(serverId))
  assert.equal(await driver.powerState(serverId), 'running')
})

test('a guest that ends is reaped by its own parent, which goes with the last guest', async (t) => {
  const { driver, serverId, stateDir, qemus, killLibvirtd } = await withGuest(t)
  const parents = () => processesWith(`parent.pl\0${join(stateDir, 'libvirt/libvirtd.pid')}\0`)
  await driver.start(guestOf(serverId))
  const [qemu = 0] = qemus()
  const { ppid = 0 } =
    / (?<ppid>\d+) /.exec(readFileSync(`/proc/${qemu}/stat`, 'latin1').replace(/.*\) \S/, ''))?.groups ?? {}
  assert.deepEqual(parents(), [Number(ppid)])
  await killLibvirtd()
  assert.equal(await driver.powerState(serverId), 'running')
  assert.equal(parents().length, 2, 'the guest keeps its own')
  await driver.destroy(serverId)
  while (parents().length > 1) await delay(5) // a test that hangs here has found a parent that does not go
})

test('virtlogd ended: the next guest starts all the same', async (t) => {
  const { driver, serverId, stateDir } = await withGuest(t)
  process.kill(Number(readFileSync(join(stateDir, 'libvirt', 'virtlogd.pid'), 'utf8').split(' ')[0]), 'SIGKILL')
  await driver.start(guestOf(serverId))
  await loginPrompt(driver, serverId)
})

test('the machine restarted: nothing that ran before is believed to run, and guests start again', async (t) => {
  const { driver, serverId, stateDir, reopen } = await withGuest(t)
  await driver.start(guestOf(serverId))
  await driver.close()
  // As power loss leaves it: processes gone, their notes still there.
  for (const pid of qemusOf(serverId)) process.kill(pid, 'SIGKILL')
  for (const daemon of ['libvirtd', 'virtlogd'])
    process.kill(Number(readFileSync(join(stateDir, 'libvirt', `${daemon}.pid`), 'utf8').split(' ')[0]), 'SIGKILL')
  writeFileSync(join(stateDir, 'libvirt', 'boot-id'), 'another boot')
  const again = await reopen()
  assert.deepEqual(await again.guests(), [{ serverId, powerState: 'shutdown' }])
  await again.start(guestOf(serverId))
  assert.equal(await again.powerState(serverId), 'running')
})

test('the probe of the accelerator boots where guests can', async () => {
  assert.equal(await bootsWith('tcg'), true)
})

test('a guest runs as a user of its own, who owns its disk and neither the cached image nor the disk of another', async (t) => {
  const { driver, serverId, ticket, instancesDir, qemus } = await withGuest(t)
  const other = randomUUID()
  await driver.createDisk(diskOf(other, ticket))
  await driver.start(guestOf(serverId))
  await driver.start(guestOf(other))
  await loginPrompt(driver, serverId)
  const owner = (...path: string[]) => statSync(join(instancesDir, ...path)).uid
  const [pid = 0] = qemus()
  const ids = /^Uid:\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.slice(1)
  const uid = owner(serverId, 'disk')
  assert.notEqual(uid, 0)
  assert.deepEqual(
    ids,
    Array.from({ length: 4 }, () => String(uid)),
  )
  assert.notEqual(owner(other, 'disk'), uid)
  for (const name of readdirSync(join(instancesDir, '_base'))) assert.equal(owner('_base', name), 0)
  assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^Seccomp:\s+2$/m)
  await driver.powerOff(serverId)
  assert.equal(owner(serverId, 'disk'), 0)
})

test('a disk whose header was made to name another file is refused', async (t) => {
  const { driver, serverId, instancesDir } = await withGuest(t)
  const disk = join(instancesDir, serverId, 'disk')
  execFileSync('qemu-img', ['rebase', '-u', '-F', 'raw', '-b', '/etc/hostname', disk])
  await assert.rejects(driver.start(guestOf(serverId)), named('DiskDamaged'))
  assert.equal(await driver.powerState(serverId), 'nostate')
})

test('a full disk is named with its host, and nothing is left', async (t) => {
  const { driver, instancesDir, ticket } = await withGuest(t)
  const base = join(instancesDir, '_base')
  const server = await imageServer([Buffer.alloc(4 * 1024 ** 2, 7)])
  t.after(() => server.close())
  const small = server.ticketFor(Buffer.alloc(4 * 1024 ** 2, 7), { diskFormat: 'raw' })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', base])
  try {
    for (const tooMuch of [ticket, small])
      await assert.rejects(
        driver.fetchImage(tooMuch, ignore, never),
        (error) => named('DiskFull')(error) && /the disk of host h1 is full/.test(String(error)),
      )
    assert.deepEqual(readdirSync(base), [])
  } finally {
    execFileSync('umount', [base])
  }
})

test('two installations on one machine see, and remove, only their own', async (t) => {
  const one = await withGuest(t, 'one1')
  const two = await withGuest(t, 'two2')
  for (const { driver, serverId } of [one, two]) await driver.start(guestOf(serverId))
  for (const { driver, serverId } of [one, two])
    assert.deepEqual(
      (await driver.guests()).map((guest) => guest.serverId),
      [serverId],
    )
  await one.driver.destroy(two.serverId)
  assert.equal(await two.driver.powerState(two.serverId), 'running')
})

test('the config drive is readable by nobody else, and holds what was given', async (t) => {
  const { driver, serverId, instancesDir } = await withGuest(t)
  const content = Buffer.from('{"secret":true}')
  await driver.createConfigDrive({ serverId, files: { 'openstack/latest/meta_data.json': content.toString('base64') } })
  const path = join(instancesDir, serverId, 'disk.config')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.match(execFileSync('isoinfo', ['-d', '-i', path]).toString(), /Volume id: config-2/)
  const read = execFileSync('isoinfo', ['-R', '-x', '/openstack/latest/meta_data.json', '-i', path])
  assert.equal(read.toString(), content.toString())
  assert.deepEqual(readdirSync(join(instancesDir, serverId)).toSorted(), ['disk', 'disk.config'])
  await assert.rejects(
    driver.createConfigDrive({ serverId: randomUUID(), files: { '../../etc/passwd': '' } }),
    /not a path inside/,
  )
})
