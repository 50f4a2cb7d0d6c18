// The counters of leftovers.ts can fail: each kind of leftover is made on purpose, one after the other, and its own counter finds it.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { run } from '@kilonova/kilonova/virt/network/command.ts'
import { namesOf, type Names } from '@kilonova/kilonova/virt/network/names.ts'
import { cloudProcess, type CloudProcess } from './cloud-process.ts'
import { guestPids, leftoversOf, type Leftovers } from './leftovers.ts'

let cloud: CloudProcess
let names: Names
/** The namespace in which packet filters are left. */
let namespace = ''
let disk = ''
/** Nobody else's: it depends on the installation's id. */
let destination = ''
let calm: Leftovers

const left = (): Promise<Leftovers> => leftoversOf(cloud.stateDir, cloud.installationId())

// Of a cloud that ran, but runs no more: nobody takes away, or works on, what is left here.
before(async () => {
  cloud = await cloudProcess()
  await cloud.start()
  await cloud.stop('SIGINT')
  const id = cloud.installationId()
  names = namesOf(id)
  namespace = names.namespace('stray')
  disk = join(cloud.stateDir, 'instances/stray/disk')
  destination = `198.18.${Number.parseInt(id.slice(0, 2), 16)}.${Number.parseInt(id.slice(2, 4), 16)}`
  calm = await left()
})
after(async () => {
  for (const pid of guestPids(cloud.stateDir)) process.kill(pid, 'SIGKILL')
  await cloud.remove()
})

const virsh = (...args: readonly string[]): Promise<string> =>
  run('virsh', ['-c', `qemu:///system?socket=${join(cloud.stateDir, 'libvirt/run/libvirt-sock')}`, ...args])
const nft = (...command: readonly string[]): Promise<string> =>
  run('nsenter', [`--net=/run/netns/${namespace}`, 'nft', ...command])

/** Whatever may not be null is filled in. */
function leaveRow(file: string, table: string, values: Readonly<Record<string, string>> = {}): void {
  const database = new DatabaseSync(join(cloud.stateDir, file), { enableForeignKeyConstraints: false })
  try {
    const needed = database
      .prepare('SELECT name FROM pragma_table_info(?) WHERE ("notnull" OR pk) AND dflt_value IS NULL')
      .all(table)
      .map(({ name }) => String(name))
    assert.ok(needed.length > 0)
    const row = { ...Object.fromEntries(needed.map((name) => [name, '0'])), ...values }
    const marks = Object.keys(row).map(() => '?')
    database
      .prepare(`INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${marks.join(', ')})`)
      .run(...Object.values(row))
  } finally {
    database.close()
  }
}

const DOMAIN = `<domain type='qemu'><name>stray</name><memory unit='MiB'>16</memory><os><type>hvm</type></os></domain>`

/** What is left, how, and by how much each counter changes. */
const LEAVE: readonly (readonly [string, () => unknown, () => Partial<Leftovers>])[] = [
  [
    'a domain that is defined',
    async () => {
      const file = join(cloud.stateDir, 'stray.xml')
      writeFileSync(file, DOMAIN)
      await virsh('define', file)
    },
    () => ({ domains: ['stray'] }),
  ],
  [
    'the folder of a server',
    () => {
      mkdirSync(join(disk, '..'), { recursive: true })
      writeFileSync(disk, Buffer.alloc(512))
    },
    () => ({ files: ['stray', 'stray/disk'] }),
  ],
  [
    'a half-made image; a whole one may stay',
    () => {
      for (const name of ['whole', 'half.part']) writeFileSync(join(cloud.stateDir, 'instances/_base', name), '')
    },
    () => ({ files: ['_base/half.part'] }),
  ],
  [
    'a QEMU that libvirt does not know',
    () =>
      run(
        'qemu-system-x86_64',
        `-machine none -nodefaults -display none -daemonize -blockdev driver=file,node-name=disk,filename=${disk}`.split(
          ' ',
        ),
      ),
    () => ({ guests: 1 }),
  ],
  ['a namespace', () => run('ip', ['netns', 'add', namespace]), () => ({ namespaces: [namespace] })],
  [
    'a tap',
    () => run('ip', ['tuntap', 'add', 'mode', 'tap', 'name', names.tap('stray')]),
    () => ({ links: [names.tap('stray')] }),
  ],
  [
    'a wire, and a wire to the outside',
    () => run('ip', ['link', 'add', names.wire('stray'), 'type', 'veth', 'peer', 'name', names.uplink('stray')]),
    () => ({ links: [names.uplink('stray'), names.wire('stray')] }),
  ],
  [
    'a route',
    async () => {
      await run('ip', ['link', 'set', names.tap('stray'), 'up'])
      const gateway = ['via', '192.0.2.1', 'dev', names.tap('stray'), 'onlink']
      await run('ip', ['route', 'add', destination, ...gateway])
    },
    () => ({ routes: [destination] }),
  ],
  ['a table of the packet filter', () => nft('add table inet stray'), () => ({ filterLines: 3 })],
  ['a chain', () => nft('add chain inet stray kept'), () => ({ filterLines: 2 })],
  ['a rule', () => nft('add rule inet stray kept tcp dport 22 accept'), () => ({ filterLines: 1 })],
  [
    'a set',
    () => nft('add set inet stray ours { type ipv4_addr; elements = { 192.0.2.1 }; }'),
    () => ({ filterLines: 5 }),
  ],
  ['an element of a set', () => nft('add element inet stray ours { 192.0.2.2 }'), () => ({ filterLines: 1 })],
  [
    'a table of the root namespace',
    () => run('nft', ['add', 'table', 'ip', names.hostTable]),
    () => ({ hostTables: [`ip ${names.hostTable}`] }),
  ],
  [
    'a dnsmasq',
    async () => {
      mkdirSync(names.runtime('stray'), { recursive: true })
      const pidFile = join(names.runtime('stray'), 'dnsmasq.pid')
      await run('dnsmasq', ['--conf-file=/dev/null', '--port=0', `--pid-file=${pidFile}`])
    },
    () => ({ dnsmasqs: 1 }),
  ],
  [
    'two leases',
    () => writeFileSync(join(names.runtime('stray'), 'hosts'), 'fa:16:3e:00:00:01,a\nfa:16:3e:00:00:02,b\n'),
    () => ({ leases: 2 }),
  ],
  ['a port', () => leaveRow('network.sqlite', 'ports'), () => ({ ports: 1 })],
  ['a claim', () => leaveRow('kilonova.sqlite', 'allocations'), () => ({ allocations: 1 })],
  [
    'a task that has not ended; one that has may stay',
    () => {
      leaveRow('kilonova.sqlite', 'tasks', { id: 'running', action: 'create', server_id: 'stray' })
      leaveRow('kilonova.sqlite', 'tasks', { id: 'ended', finished_at: '1' })
    },
    () => ({ unfinishedTasks: ['create stray'] }),
  ],
  ['a debt of a host', () => leaveRow('kilonova.sqlite', 'owed'), () => ({ owed: 1 })],
]

/** Numbers by their difference, lists by what is new. */
function change(from: Leftovers, to: Leftovers): Partial<Leftovers> {
  const entries = Object.entries(to).flatMap(([counter, now]): [string, unknown][] => {
    const was = from[counter as keyof Leftovers]
    if (typeof now === 'number') return now === was ? [] : [[counter, now - Number(was)]]
    const fresh = (now as readonly string[]).filter((one) => !(was as readonly string[]).includes(one))
    return fresh.length === 0 ? [] : [[counter, fresh]]
  })
  return Object.fromEntries(entries)
}

for (const [what, leave, found] of LEAVE)
  test(`counted: ${what}`, async () => {
    const was = await left()
    await leave()
    assert.deepEqual(change(was, await left()), found())
  })

test('every counter has counted something', async () => {
  const counted = Object.keys(change(calm, await left()))
  assert.deepEqual(counted.toSorted(), Object.keys(calm).toSorted())
})
