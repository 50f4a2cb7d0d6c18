// What users do with a server's disk, on real guests: copied while it runs, backed up, replaced, rescued, put on a shelf and taken back.
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Session } from '@kilonova/cloud/session.ts'
import { cloudProcess, type CloudProcess } from '../cloud-process.ts'
import { inGuest, newKey } from '../guest-shell.ts'
import { leftoversOf } from '../leftovers.ts'
import { act, active, idOf, settled, show } from '../servers.ts'

let cloud: CloudProcess
let session: Session
let folder = ''
let key = ''
let server = ''
let address = ''
let demo = ''

interface Image {
  readonly id: string
  readonly status: string
  readonly [key: string]: unknown
}
const BOOT_MS = 180_000
const MARK = '/home/demo/mark'

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'disks-'))
  key = join(folder, 'key')
  await newKey(key)
  cloud = await cloudProcess()
  await cloud.start()
  session = await cloud.session('demo')
  const public_key = readFileSync(`${key}.pub`, 'utf8').trim()
  await session.call('compute', 'POST', '/os-keypairs', { keypair: { name: 'mine', type: 'ssh', public_key } })
  demo = await idOf(session, 'image', '/v2/images', 'demo')
  server = await boot('original', demo)
  address = await addressOf(server)
  await inGuest(address, key, `echo kept >${MARK}; sync`, BOOT_MS)
})
after(async () => {
  await cloud.remove()
  rmSync(folder, { recursive: true, force: true })
})

async function boot(name: string, imageRef: string): Promise<string> {
  const uuid = await idOf(session, 'network', '/v2.0/networks', 'private')
  const { body } = await session.call('compute', 'POST', '/servers', {
    server: { name, flavorRef: '42', imageRef, networks: [{ uuid }], key_name: 'mine' },
  })
  return (body as { server: { id: string } }).server.id
}
const addressOf = async (id: string): Promise<string> =>
  Object.values((await active(session, id)).addresses)[0]?.[0]?.addr ?? ''
const folderOf = (id: string): string => join(cloud.stateDir, 'instances', id)
const image = async (id: string): Promise<Image> =>
  (await session.call('image', 'GET', `/v2/images/${id}`)).body as Image

/** The answer of an action that has one. */
async function ask<T>(id: string, action: object): Promise<T> {
  return (await session.call('compute', 'POST', `/servers/${id}/action`, action)).body as T
}

/** Until the server has no task; what its progress was meanwhile. */
async function idle(id: string, milliseconds = 120_000): Promise<readonly number[]> {
  const seen: number[] = []
  for (const until = Date.now() + milliseconds; ; await pause(20)) {
    const shown = (await show(session, id)) as { progress?: number; 'OS-EXT-STS:task_state': string | null } | undefined
    seen.push(shown?.progress ?? 0)
    if (shown?.['OS-EXT-STS:task_state'] === null) return seen
    assert.ok(Date.now() < until, `${id} still has a task: ${shown?.['OS-EXT-STS:task_state']}`)
  }
}

/** The longest time between two lines of the console, in milliseconds, from now until it is asked for. */
function silenceOf(id: string): () => number {
  const file = join(folderOf(id), 'console.log')
  let [size, at, longest] = [statSync(file).size, performance.now(), 0]
  const timer = setInterval(() => {
    const now = statSync(file).size
    if (now === size) return
    longest = Math.max(longest, performance.now() - at)
    size = now
    at = performance.now()
  }, 2)
  return () => {
    clearInterval(timer)
    return Math.round(Math.max(longest, performance.now() - at))
  }
}

test('a running server is copied, and one that boots from the copy has its files', { timeout: 400_000 }, async (t) => {
  const count = 'i=0; while :; do echo tick $i; i=$((i+1)); sleep 0.02; done'
  await inGuest(
    address,
    key,
    `sudo sh -c '(${count}) >/dev/ttyS0 2>/dev/null </dev/null &' >/dev/null 2>&1 </dev/null; true`,
  )
  await pause(1000)
  const calm = silenceOf(server)
  await pause(3000)
  const before = calm()

  const while_ = silenceOf(server)
  const began = performance.now()
  const { image_id } = await ask<{ image_id: string }>(server, { createImage: { name: 'copy' } })
  const progress = await idle(server)
  const during = while_()
  t.diagnostic(
    `copied in ${Math.round(performance.now() - began)} ms; longest silence of the counter: ${before} ms before, ${during} ms during; progress seen: ${[...new Set(progress)].join(' ')}`,
  )
  assert.ok(before < 1000, 'the counter does not count')
  assert.ok(during < 3000, `the guest stood still for ${during} ms`)

  const made = await image(image_id)
  assert.deepEqual(
    [made.status, made['image_type'], made['instance_uuid'], made['base_image_ref'], made['visibility']],
    ['active', 'snapshot', server, demo, 'private'],
  )
  assert.deepEqual(
    readdirSync(folderOf(server)).filter((name) => name.startsWith('snapshot')),
    [],
  )
  const copy = await boot('from-copy', image_id)
  const copyAddress = await addressOf(copy)
  assert.equal(await inGuest(copyAddress, key, `cat ${MARK}`, BOOT_MS), 'kept')
  await session.call('compute', 'DELETE', `/servers/${copy}`)
  await settled(session, copy, ['GONE'], 30_000)
  await session.call('image', 'DELETE', `/v2/images/${image_id}`)
})

test('of the backups of a kind only the newest stay, of a server that is off, too', { timeout: 300_000 }, async () => {
  const backup = (name: string) =>
    ask<{ image_id: string }>(server, { createBackup: { name, backup_type: 'daily', rotation: 1 } })
  const first = await backup('first')
  await idle(server)
  assert.equal((await image(first.image_id)).status, 'active')
  await act(session, server, { 'os-stop': null })
  await settled(session, server, ['SHUTOFF'], 90_000)
  const second = await backup('second')
  await idle(server)
  assert.equal((await image(second.image_id)).status, 'active')
  await assert.rejects(image(first.image_id), /404/)
  await session.call('image', 'DELETE', `/v2/images/${second.image_id}`)
  await act(session, server, { 'os-start': null })
  await active(session, server)
  assert.equal(await inGuest(address, key, `cat ${MARK}`, BOOT_MS), 'kept')
})

test('in rescue its own disk is a second one, and is as it was afterwards', { timeout: 400_000 }, async () => {
  await act(session, server, { rescue: null })
  await settled(session, server, ['RESCUE'], 120_000)
  const disk = () => hash('sha256', readFileSync(join(folderOf(server), 'disk')))
  const untouched = disk()
  const seen = await inGuest(address, key, `cat /proc/partitions; ls ${MARK}; echo rescued >${MARK}; true`, BOOT_MS)
  assert.match(seen, /vda2/)
  assert.match(seen, /vdb2/)
  assert.doesNotMatch(seen, /mark$/m, 'it runs from its own disk')
  const found = `sudo mkdir -p /mnt && sudo mount -o ro,noload /dev/vdb2 /mnt && cat /mnt${MARK} && sudo umount /mnt`
  assert.equal(await inGuest(address, key, found), 'kept')
  assert.equal(disk(), untouched)
  assert.ok(existsSync(join(folderOf(server), 'disk.rescue')))

  await act(session, server, { unrescue: null })
  await active(session, server, 120_000)
  assert.ok(!existsSync(join(folderOf(server), 'disk.rescue')))
  assert.equal(await inGuest(address, key, `cat ${MARK}; ls /dev/vdb 2>/dev/null; true`, BOOT_MS), 'kept')
})

test(
  'shelved, nothing of it is left on the host; taken back, its files and its address are there',
  { timeout: 400_000 },
  async (t) => {
    await act(session, server, { shelve: null })
    await settled(session, server, ['SHELVED_OFFLOADED'], 120_000)
    const { domains, guests, namespaces, links, dnsmasqs, files, allocations, unfinishedTasks, owed, ports } =
      await leftoversOf(cloud.stateDir, cloud.installationId())
    assert.deepEqual(
      { domains, guests, namespaces, links, dnsmasqs, allocations, unfinishedTasks, owed, ports },
      {
        domains: [],
        guests: 0,
        namespaces: [],
        links: [],
        dnsmasqs: 0,
        allocations: 0,
        unfinishedTasks: [],
        owed: 0,
        ports: 1,
      },
    )
    assert.ok(!files.some((file) => file.includes(server)), files.join(' '))
    const kept = await idOf(session, 'image', '/v2/images', 'original-shelved')

    const began = performance.now()
    await act(session, server, { unshelve: null })
    await active(session, server, 120_000)
    t.diagnostic(`taken back in ${Math.round(performance.now() - began)} ms`)
    assert.equal(await addressOf(server), address)
    assert.equal(await inGuest(address, key, `cat ${MARK}`, BOOT_MS), 'kept')
    await idle(server)
    await assert.rejects(image(kept), /404/)
  },
)

test(
  'a copy goes on after the process died in it; a rebuild that fails puts the old disk back',
  { timeout: 400_000 },
  async () => {
    await cloud.stop('SIGTERM')
    await cloud.start({ KILL_AT: 'createImage/copy/after' })
    session = await cloud.session('demo')
    const { image_id } = await ask<{ image_id: string }>(server, { createImage: { name: 'survivor' } })
    await cloud.ended()
    await cloud.start({ FAIL_AT: 'rebuild/start' })
    session = await cloud.session('demo')
    await idle(server)
    assert.equal((await image(image_id)).status, 'active')
    await session.call('image', 'DELETE', `/v2/images/${image_id}`)

    await ask(server, { rebuild: { imageRef: demo, name: 'never' } })
    await idle(server)
    const { name } = await active(session, server)
    assert.equal(name, 'original')
    assert.equal(await inGuest(address, key, `cat ${MARK}`, BOOT_MS), 'kept')
    assert.deepEqual(
      readdirSync(folderOf(server)).filter((file) => file.endsWith('.old') || file.startsWith('snapshot')),
      [],
    )
    await cloud.stop('SIGTERM')
    await cloud.start()
    session = await cloud.session('demo')
  },
)

test('a rebuild replaces the disk, and keeps id and address', { timeout: 300_000 }, async () => {
  const { server: answer } = await ask<{ server: { name: string; status: string; adminPass: string } }>(server, {
    rebuild: { imageRef: demo, name: 'rebuilt', metadata: { colour: 'red' } },
  })
  assert.deepEqual([answer.name, answer.status, answer.adminPass.length], ['rebuilt', 'REBUILD', 12])
  await active(session, server, 120_000)
  await idle(server)
  assert.equal(await addressOf(server), address)
  assert.equal(await inGuest(address, key, `ls ${MARK} 2>/dev/null; hostname`, BOOT_MS), 'original')
  assert.deepEqual(
    readdirSync(folderOf(server)).filter((name) => name.endsWith('.old')),
    [],
  )
})
