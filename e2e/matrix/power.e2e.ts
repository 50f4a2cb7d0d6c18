// Power and state of real guests: a counter on the console tells whether a guest runs, stands still, was kept, or began anew.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import { SessionError, type Session } from '@kilonova/cloud/session.ts'
import { cloudProcess, type CloudProcess } from '../cloud-process.ts'
import { bootIdOf, newKey } from '../guest-shell.ts'
import { guestPids, leftoversOf, type Leftovers } from '../leftovers.ts'
import { act, active, consoleOf, consoleShows, createServer, prompts, settled, show } from '../servers.ts'

const RECLAIM_SECONDS = 15

let cloud: CloudProcess
let session: Session
let admin: Session
let folder = ''
let key = ''
let id = ''
let address = ''
let empty: Leftovers

const COUNTER = `#!/bin/sh
( i=0; while :; do i=$((i+1)); echo "tick $i." >/dev/console; sleep 1; done ) </dev/null >/dev/null 2>&1 &
`

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'power-'))
  key = join(folder, 'key')
  await newKey(key)
  cloud = await cloudProcess({ configuration: `[DEFAULT]\nreclaim_instance_interval = ${RECLAIM_SECONDS}\n` })
  await cloud.start()
  session = await cloud.session('demo')
  admin = await cloud.session('admin')
  await session.call('compute', 'POST', '/os-keypairs', {
    keypair: { name: 'mine', type: 'ssh', public_key: readFileSync(`${key}.pub`, 'utf8').trim() },
  })
  empty = await left()
  const userData = Buffer.from(COUNTER).toString('base64')
  id = await createServer(session, { name: 'counting', keyName: 'mine', userData, configDrive: true })
  address = Object.values((await active(session, id)).addresses)[0]?.[0]?.addr ?? ''
  await consoleShows(session, id, (text) => ticks(text).length > 0)
})
after(async () => {
  await cloud.remove()
  rmSync(folder, { recursive: true, force: true })
})

const left = (): Promise<Leftovers> => leftoversOf(cloud.stateDir, cloud.installationId())
const ticks = (text: string): readonly number[] => [...text.matchAll(/tick (\d+)\./g)].map(([, n]) => Number(n))
const lastTick = async (): Promise<number> => ticks(await consoleOf(session, id)).at(-1) ?? 0
/** It counts on from where it was: nothing was lost, and nothing began again. */
async function countsOn(from: number): Promise<void> {
  const all = ticks(await consoleShows(session, id, (text) => (ticks(text).at(-1) ?? 0) > from + 1))
  assert.deepEqual(
    all,
    all.map((_tick, index) => (all[0] ?? 0) + index),
  )
}
const libvirtdPid = (): number =>
  Number(readFileSync(join(cloud.stateDir, 'libvirt/libvirtd.pid'), 'utf8').split(' ')[0])
const memories = (): readonly string[] => {
  const saves = join(cloud.stateDir, 'libvirt/lib/qemu/save')
  return existsSync(saves) ? readdirSync(saves) : []
}
const refusal = async (work: Promise<unknown>): Promise<number> =>
  work.then(
    () => 0,
    (error: unknown) => {
      if (error instanceof SessionError) return error.status
      throw error
    },
  )
const virsh = (...command: readonly string[]): string =>
  execFileSync(
    'virsh',
    ['-c', `qemu:///system?socket=${join(cloud.stateDir, 'libvirt/run/libvirt-sock')}`, ...command],
    { encoding: 'utf8' },
  )

test('a paused guest stands still, and counts on when it is unpaused', async () => {
  await act(session, id, { pause: null })
  await settled(session, id, ['PAUSED'], 10_000)
  const at = await lastTick()
  await pause(3_000)
  assert.equal(await lastTick(), at)
  await act(session, id, { unpause: null })
  await active(session, id)
  await countsOn(at)
})

// Before it is suspended: QEMU counts from its own start.
test('the guest sees the interrupt of a crash dump, and its figures grow', async () => {
  const figures = async () =>
    (await admin.call('compute', 'GET', `/servers/${id}/diagnostics`)).body as {
      readonly state: string
      readonly uptime: number
      readonly cpu_details: readonly { readonly time: number }[]
      readonly disk_details: readonly { readonly read_bytes: number }[]
      readonly nic_details: readonly {
        readonly mac_address: string
        readonly rx_octets: number
        readonly tx_octets: number
      }[]
      readonly memory_details: { readonly maximum: number }
    }
  const before = await figures()
  await act(session, id, { trigger_crash_dump: null })
  await consoleShows(session, id, (text) => /NMI received/.test(text))
  await bootIdOf(address, key)
  const now = await figures()
  assert.deepEqual([now.state, now.memory_details.maximum], ['running', 192])
  assert.ok((now.cpu_details[0]?.time ?? 0) > (before.cpu_details[0]?.time ?? 0))
  assert.ok((now.disk_details[0]?.read_bytes ?? 0) > 1024 ** 2)
  const [was, is] = [before.nic_details[0], now.nic_details[0]]
  assert.match(String(is?.mac_address), /^fa:16:3e/)
  assert.ok(was && is && is.rx_octets > was.rx_octets && is.tx_octets > was.tx_octets)
})

test('a suspended guest keeps its memory while libvirtd and all of us restart, and counts on when it is resumed', async () => {
  const bootId = await bootIdOf(address, key)
  await act(session, id, { suspend: null })
  await settled(session, id, ['SUSPENDED'], 60_000)
  assert.equal(guestPids(cloud.stateDir).length, 0)
  assert.equal(memories().length, 1)
  const at = await lastTick()
  await cloud.stop('SIGKILL')
  process.kill(libvirtdPid(), 'SIGKILL')
  await cloud.start()
  session = await cloud.session('demo')
  admin = await cloud.session('admin')
  // The host has told all it sees of its guests by now.
  assert.equal((await show(session, id))?.status, 'SUSPENDED')
  await act(session, id, { resume: null })
  await active(session, id, 60_000)
  assert.deepEqual(memories(), [])
  await countsOn(at)
  assert.equal(await bootIdOf(address, key), bootId)
})

test('a locked server is left alone by its owner, not by an administrator', async () => {
  await act(session, id, { lock: { locked_reason: 'being watched' } })
  assert.equal(await refusal(act(session, id, { pause: null })), 409)
  assert.equal(await refusal(session.call('compute', 'DELETE', `/servers/${id}`)), 409)
  await act(admin, id, { pause: null })
  await settled(session, id, ['PAUSED'], 10_000)
  await act(session, id, { unlock: null })
  await act(session, id, { unpause: null })
  await active(session, id)
})

const mac = (): string => /<mac address='([^']+)'/.exec(virsh('dumpxml', id))?.[1] ?? ''
const tap = (): string => /<target dev='(kt[^']+)'/.exec(virsh('dumpxml', id))?.[1] ?? ''
/** What somebody may have removed from under a server. */
const LOSSES: Readonly<Record<string, () => void>> = {
  'the definition': () => {
    virsh('destroy', id)
    virsh('undefine', id)
  },
  'the config drive': () => rmSync(join(cloud.stateDir, 'instances', id, 'disk.config')),
  'the base image': () => {
    const base = join(cloud.stateDir, 'instances/_base')
    for (const name of readdirSync(base)) rmSync(join(base, name))
  },
  'the tap': () => void execFileSync('ip', ['link', 'delete', tap()]),
}
for (const [what, lose] of Object.entries(LOSSES))
  test(`a hard reboot makes the guest anew without ${what}`, async () => {
    const [bootId, card] = [await bootIdOf(address, key), mac()]
    lose()
    await act(session, id, { reboot: { type: 'HARD' } })
    await active(session, id, 60_000)
    assert.notEqual(await bootIdOf(address, key), bootId)
    assert.equal(mac(), card)
    assert.ok(existsSync(join(cloud.stateDir, 'instances', id, 'disk.config')))
    assert.equal(readdirSync(join(cloud.stateDir, 'instances/_base')).length, 1)
  })

test('a hard reboot of a suspended guest forgets its memory', async () => {
  const bootId = await bootIdOf(address, key)
  await act(session, id, { suspend: null })
  await settled(session, id, ['SUSPENDED'], 60_000)
  await act(session, id, { reboot: { type: 'HARD' } })
  await active(session, id, 60_000)
  assert.deepEqual(memories(), [])
  assert.notEqual(await bootIdOf(address, key), bootId)
})

test('a task is cancelled: a server whose shutdown is waited for runs on', async () => {
  await act(session, id, { pause: null })
  await settled(session, id, ['PAUSED'], 10_000)
  assert.equal(await refusal(act(session, id, { 'kilonova:cancel': null })), 409)
  await act(session, id, { unpause: null })
  await active(session, id)
  await act(session, id, { suspend: null })
  // Either it came in time and the guest runs on, or the memory was written before.
  const late = await refusal(act(session, id, { 'kilonova:cancel': null }))
  const server = await settled(session, id, ['ACTIVE', 'SUSPENDED'], 60_000)
  for (const until = Date.now() + 60_000; (await show(session, id))?.['OS-EXT-STS:task_state'] !== null;) {
    assert.ok(Date.now() < until, 'the task goes on and on')
    await pause(100)
  }
  const { status } = (await show(session, id)) ?? {}
  assert.ok(late === 0 || late === 409, `${late} ${server?.status}`)
  if (status === 'SUSPENDED') await act(session, id, { resume: null })
  await active(session, id, 60_000)
  await bootIdOf(address, key)
})

test('a deleted server is off until it is restored; when its time is over nothing is left of it', async () => {
  const before = prompts(await consoleOf(session, id))
  await session.call('compute', 'DELETE', `/servers/${id}`)
  await settled(session, id, ['SOFT_DELETED'], 10_000)
  assert.equal(guestPids(cloud.stateDir).length, 0)
  await act(session, id, { restore: null })
  await active(session, id)
  await consoleShows(session, id, (text) => prompts(text) > before)
  await act(session, id, { suspend: null })
  await settled(session, id, ['SUSPENDED'], 60_000)
  await session.call('compute', 'DELETE', `/servers/${id}`)
  await settled(session, id, ['SOFT_DELETED'], 10_000)
  assert.deepEqual(memories(), [])
  await settled(session, id, ['GONE'], 3 * RECLAIM_SECONDS * 1000)
  assert.deepEqual(await left(), empty)
})

test('a server that is suspended and deleted at once leaves no memory behind', async () => {
  const other = await createServer(session, { name: 'short' })
  await active(session, other)
  await act(session, other, { suspend: null })
  await settled(session, other, ['SUSPENDED'], 60_000)
  await act(session, other, { forceDelete: null })
  await settled(session, other, ['GONE'], 30_000)
  assert.deepEqual([memories(), await left()], [[], empty])
})
