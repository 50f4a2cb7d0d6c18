// What users do to a server with both stock command lines, `openstack` and `nova`, on real guests; the API and, where that is cheap, the guest tell.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Session } from '@kilonova/cloud/session.ts'
import { cloudProcess, type CloudProcess } from '../cloud-process.ts'
import { bootIdOf, inGuest, newKey } from '../guest-shell.ts'
import { guestPids } from '../leftovers.ts'
import { active, consoleShows, createServer, idOf, prompts, serverNamed, settled } from '../servers.ts'
import { novaClient, stockClient, type NovaClient, type StockClient } from '../stock-client.ts'

let cloud: CloudProcess
let session: Session
let openstack: StockClient
let admin: StockClient
let nova: NovaClient
let novaAdmin: NovaClient
let folder = ''
let key = ''

interface Guest {
  id: string
  address: string
}
const guests: Readonly<Record<'one' | 'two', Guest>> = { one: { id: '', address: '' }, two: { id: '', address: '' } }

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'actions-'))
  key = join(folder, 'key')
  await newKey(key)
  const conf = ['[DEFAULT]', 'reclaim_instance_interval = 600', 'shelved_offload_time = -1', 'shutdown_timeout = 10']
  cloud = await cloudProcess({ configuration: `${conf.join('\n')}\n` })
  await cloud.start()
  session = await cloud.session('demo')
  openstack = stockClient(cloud)
  admin = stockClient(cloud, 'kilonova-admin')
  nova = novaClient(cloud, 'demo')
  novaAdmin = novaClient(cloud, 'admin')
  const public_key = readFileSync(`${key}.pub`, 'utf8').trim()
  await session.call('compute', 'POST', '/os-keypairs', { keypair: { name: 'mine', type: 'ssh', public_key } })
  for (const [name, guest] of Object.entries(guests)) {
    guest.id = await createServer(session, { name, keyName: 'mine' })
    guest.address = Object.values((await active(session, guest.id)).addresses)[0]?.[0]?.addr ?? ''
  }
  for (const { id } of Object.values(guests)) await consoleShows(session, id, (text) => prompts(text) > 0)
})
after(async () => {
  await cloud.remove()
  rmSync(folder, { recursive: true, force: true })
})

interface Detail {
  readonly status: string
  readonly name: string
  readonly locked: boolean
  readonly locked_reason: string | null
  readonly description: string | null
  readonly tags: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  readonly security_groups?: readonly { readonly name: string }[]
  readonly 'OS-EXT-STS:task_state': string | null
}
const detail = async (id: string): Promise<Detail> =>
  ((await session.call('compute', 'GET', `/servers/${id}`)).body as { server: Detail }).server
async function rests(id: string, status: string): Promise<void> {
  for (const until = Date.now() + 90_000; ; await pause(50)) {
    const shown = await detail(id)
    if (shown.status === status && shown['OS-EXT-STS:task_state'] === null) return
    assert.ok(Date.now() < until, `not ${status}, but ${shown.status} (${shown['OS-EXT-STS:task_state']})`)
  }
}
const runs = (id: string): boolean => guestPids(cloud.stateDir, id).length === 1
const imageNames = async (beginning: string): Promise<readonly string[]> =>
  ((await session.call('image', 'GET', '/v2/images')).body as { images: { name: string }[] }).images
    .map(({ name }) => name)
    .filter((name) => name.startsWith(beginning))
    .toSorted()

/** What differs between the two command lines; all else has one name. */
interface Words {
  readonly client: string
  readonly server: 'one' | 'two'
  readonly does: (...command: readonly string[]) => Promise<string>
  readonly offload: (id: string) => Promise<string>
  readonly restore: (id: string) => Promise<string>
  readonly copy: (name: string, tier: string) => Promise<string>
  readonly backup: (name: string) => Promise<string>
  readonly rebuild: (id: string, name: string, colour: string) => Promise<string>
  readonly describe: (description: string, tag: string, property: string) => Promise<unknown>
  readonly forget: (tag: string, key: string) => Promise<unknown>
  readonly addGroup: (name: string) => Promise<string>
  readonly removeGroup: (name: string) => Promise<string>
  readonly setState: (id: string, state: 'active' | 'error') => Promise<string>
  readonly dump: () => Promise<string>
}
const newest = (...command: readonly string[]): Promise<string> =>
  openstack.run('--os-compute-api-version', '2.90', 'server', ...command)
const CLIENTS: readonly Words[] = [
  {
    client: 'openstack',
    server: 'one',
    does: newest,
    offload: (id) => admin.run('--os-compute-api-version', '2.90', 'server', 'shelve', '--offload', id),
    restore: (id) => admin.run('server', 'restore', id),
    copy: (name, tier) => newest('image', 'create', '--name', name, '--property', `tier=${tier}`, '--wait', 'one'),
    backup: (name) => newest('backup', 'create', '--name', name, '--type', 'daily', '--rotate', '1', '--wait', 'one'),
    rebuild: (id, name, colour) =>
      newest('rebuild', '--name', name, '--property', `colour=${colour}`, '--image', 'demo', '--wait', id),
    describe: (description, tag, property) =>
      newest('set', '--description', description, '--tag', tag, '--property', property, 'one'),
    forget: (tag, name) => newest('unset', '--tag', tag, '--property', name, 'one'),
    addGroup: (name) => newest('add', 'security', 'group', 'one', name),
    removeGroup: (name) => newest('remove', 'security', 'group', 'one', name),
    setState: (id, state) => admin.run('server', 'set', '--state', state, id),
    dump: () => newest('dump', 'create', 'one'),
  },
  {
    client: 'nova',
    server: 'two',
    does: (...command) => nova.run(...command),
    offload: (id) => novaAdmin.run('shelve-offload', id),
    restore: (id) => novaAdmin.run('restore', id),
    copy: (name, tier) => nova.run('image-create', '--metadata', `tier=${tier}`, '--poll', 'two', name),
    backup: (name) => nova.run('backup', 'two', name, 'daily', '1'),
    rebuild: (id, name, colour) =>
      nova.run('rebuild', '--name', name, '--meta', `colour=${colour}`, '--poll', id, 'demo'),
    describe: async (description, tag, property) => {
      await nova.run('update', '--description', description, 'two')
      await nova.run('server-tag-add', 'two', tag)
      await nova.run('meta', 'two', 'set', property)
    },
    forget: async (tag, name) => {
      await nova.run('server-tag-delete', 'two', tag)
      await nova.run('meta', 'two', 'delete', name)
    },
    addGroup: (name) => nova.run('add-secgroup', 'two', name),
    removeGroup: (name) => nova.run('remove-secgroup', 'two', name),
    setState: (id, state) => novaAdmin.run('reset-state', ...(state === 'active' ? ['--active'] : []), id),
    dump: () => nova.run('trigger-crash-dump', 'two'),
  },
]

// Beside each other: a command line thinks longer than we do.
suite('both command lines', { concurrency: 2 }, () => {
  for (const words of CLIENTS) suite(words.client, { concurrency: 1 }, () => sessionOf(words))
})

function sessionOf(words: Words): void {
  const { server, does } = words
  const guest = guests[server]
  const now = (): Promise<Detail> => detail(guest.id)

  test('pause, unpause, suspend, resume: the guest is the same', async () => {
    const bootId = await bootIdOf(guest.address, key)
    for (const [command, status, running] of [
      ['pause', 'PAUSED', true],
      ['unpause', 'ACTIVE', true],
      ['suspend', 'SUSPENDED', false],
      ['resume', 'ACTIVE', true],
    ] as const) {
      await does(command, server)
      await rests(guest.id, status)
      assert.equal(runs(guest.id), running, command)
    }
    assert.equal(await bootIdOf(guest.address, key), bootId)
  })

  test('a crash dump: the guest sees the interrupt', async () => {
    await words.dump()
    await consoleShows(session, guest.id, (text) => text.includes('NMI received'))
  })

  test('lock with a reason, unlock', async () => {
    await does('lock', '--reason', 'being watched', server)
    const locked = await now()
    assert.deepEqual([locked.locked, locked.locked_reason], [true, 'being watched'])
    await does('unlock', server)
    assert.equal((await now()).locked, false)
  })

  test('copies, and backups of which the newest stays', async () => {
    await words.copy(`${server}-copy`, '1')
    await words.backup(`${server}-daily-1`)
    await rests(guest.id, 'ACTIVE')
    await words.backup(`${server}-daily-2`)
    await rests(guest.id, 'ACTIVE')
    assert.deepEqual(await imageNames(`${server}-`), [`${server}-copy`, `${server}-daily-2`])
    const id = await idOf(session, 'image', '/v2/images', `${server}-copy`)
    const { status, tier } = (await session.call('image', 'GET', `/v2/images/${id}`)).body as Record<string, unknown>
    assert.deepEqual([status, tier], ['active', '1'])
    await openstack.run('image', 'delete', `${server}-copy`, `${server}-daily-2`)
  })

  test('description, tag and property: there, and gone', async () => {
    await words.describe('watched', 'blue', 'k=v')
    const there = await now()
    assert.deepEqual([there.description, there.tags, there.metadata], ['watched', ['blue'], { k: 'v' }])
    await words.forget('blue', 'k')
    const gone = await now()
    assert.deepEqual([gone.tags, gone.metadata], [[], {}])
  })

  test('a security group is added and removed', async () => {
    const group = `of-${server}`
    const groups = async () => [...new Set(((await now()).security_groups ?? []).map(({ name }) => name))].toSorted()
    await openstack.run('security', 'group', 'create', group)
    await words.addGroup(group)
    assert.deepEqual(await groups(), ['default', group])
    await words.removeGroup(group)
    assert.deepEqual(await groups(), ['default'])
  })

  test('rescue with a password, unrescue', async () => {
    await does('rescue', '--password', 'a secret', server)
    await rests(guest.id, 'RESCUE')
    await does('unrescue', server)
    await rests(guest.id, 'ACTIVE')
  })

  test('shelved, taken back in place; shelved, offloaded by an administrator, taken back', async () => {
    await does('shelve', server)
    await rests(guest.id, 'SHELVED')
    assert.equal(runs(guest.id), false)
    await does('unshelve', server)
    await rests(guest.id, 'ACTIVE')
    await does('shelve', server)
    await rests(guest.id, 'SHELVED')
    await words.offload(guest.id)
    await rests(guest.id, 'SHELVED_OFFLOADED')
    await does('unshelve', server)
    await rests(guest.id, 'ACTIVE')
    assert.deepEqual(await imageNames(`${server}-`), [])
  })

  test('deleted, restored by an administrator', async () => {
    await does('delete', server)
    await rests(guest.id, 'SOFT_DELETED')
    assert.equal(runs(guest.id), false)
    await words.restore(guest.id)
    await rests(guest.id, 'ACTIVE')
  })

  test('states are set by an administrator', async () => {
    for (const state of ['error', 'active'] as const) {
      await words.setState(guest.id, state)
      assert.equal((await now()).status, state.toUpperCase())
    }
  })

  test('rebuild: another name and property, and the disk is new', async () => {
    await inGuest(guest.address, key, 'echo kept >mark; sync', 120_000)
    await words.rebuild(guest.id, `${server}-new`, 'red')
    await rests(guest.id, 'ACTIVE')
    const { name, metadata } = await now()
    assert.deepEqual([name, metadata], [`${server}-new`, { colour: 'red' }])
    assert.equal(await inGuest(guest.address, key, 'ls mark 2>/dev/null; true', 120_000), '')
  })
}

test('nova: what it shows of a server', async () => {
  const { id } = guests.two
  assert.match(await nova.run('console-log', '--length', '50', id), /login:/)
  assert.ok((await nova.run('get-vnc-console', id, 'novnc')).includes(`${cloud.url('novnc')}/vnc_auto.html`))
  assert.ok((await nova.run('get-serial-console', id)).includes(cloud.url('serial').replace('http:', 'ws:')))
  const list = await nova.run('instance-action-list', id)
  for (const action of ['pause', 'suspend', 'rescue', 'shelve', 'rebuild', 'createImage', 'createBackup', 'lock'])
    assert.match(list, new RegExp(`\\| ${action} `))
  assert.match(await novaAdmin.run('diagnostics', id), /memory_details/)
  assert.match(await nova.run('list'), /\| two-new +\| ACTIVE/)
})

test('nova: stop, start, both reboots, a server made and force-deleted', async () => {
  const { id, address } = guests.two
  const first = await bootIdOf(address, key)
  await nova.run('reboot', '--poll', id)
  const second = await bootIdOf(address, key)
  assert.notEqual(second, first)
  await nova.run('reboot', '--hard', '--poll', id)
  assert.notEqual(await bootIdOf(address, key), second)
  await nova.run('stop', id)
  await rests(id, 'SHUTOFF')
  await nova.run('start', id)
  await rests(id, 'ACTIVE')
  const network = await idOf(session, 'network', '/v2.0/networks', 'private')
  await nova.run('boot', '--flavor', 'm1.nano', '--image', 'demo', '--nic', `net-id=${network}`, '--poll', 'other')
  const other = await serverNamed(session, 'other')
  assert.ok(runs(other))
  await nova.run('force-delete', 'other')
  await settled(session, other, ['GONE'], 30_000)
})
