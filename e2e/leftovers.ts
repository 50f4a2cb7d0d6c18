// What an installation has, counted where it is: on the host, on the disk, in the databases. Nothing is asked of the cloud itself.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { inventoryOf } from '@kilonova/kilonova/virt/network/inventory.ts'
import { namesOf } from '@kilonova/kilonova/virt/network/names.ts'

const run = promisify(execFile)

export interface Leftovers {
  /** Defined in libvirt, running or not. */
  readonly domains: readonly string[]
  /** QEMU processes. */
  readonly guests: number
  readonly namespaces: readonly string[]
  /** Taps and the ends of wires. */
  readonly links: readonly string[]
  /** Rules, chains and elements of sets of the packet filter, as lines. */
  readonly filterLines: number
  /** The table that keeps guests away from the machine: there as long as the installation is. */
  readonly hostTables: readonly string[]
  readonly dnsmasqs: number
  readonly leases: number
  readonly routes: readonly string[]
  /** Folders of servers, half-made images, and sockets of serial lines. */
  readonly files: readonly string[]
  readonly ports: number
  readonly allocations: number
  readonly unfinishedTasks: readonly string[]
  readonly owed: number
}

export async function leftoversOf(stateDir: string, installationId: string): Promise<Leftovers> {
  const inventory = await inventoryOf(namesOf(installationId))
  const filters = await Promise.all(inventory.tables.map(filterLines))
  return {
    domains: await domainsOf(stateDir),
    guests: guestPids(stateDir).length,
    namespaces: inventory.namespaces,
    links: inventory.links,
    filterLines: filters.reduce((sum, lines) => sum + lines, 0),
    hostTables: inventory.hostTables,
    dnsmasqs: inventory.processes.length,
    leases: leaseLines(`/run/kilonova-${installationId}`),
    routes: inventory.routes,
    files: [...files(join(stateDir, 'instances')), ...serialLines(join(stateDir, 'libvirt/run/consoles'))],
    ...rows(stateDir),
  }
}

/** Nothing but `expected` is there. The rules of a group's other members follow within a second (docs/networking.md); all else is gone at once. */
export async function assertOnly(expected: Leftovers, left: () => Promise<Leftovers>): Promise<void> {
  const until = performance.now() + 1_000
  let now = await left()
  assert.deepEqual({ ...now, filterLines: 0 }, { ...expected, filterLines: 0 })
  while (now.filterLines !== expected.filterLines && performance.now() < until) {
    await delay(20)
    now = await left()
  }
  assert.deepEqual(now, expected)
}

async function domainsOf(stateDir: string): Promise<readonly string[]> {
  const socket = join(stateDir, 'libvirt/run/libvirt-sock')
  const { stdout } = await run('virsh', ['-c', `qemu:///system?socket=${socket}`, 'list', '--all', '--name'])
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .toSorted()
}

/** By the files they have open: a guest's disk lies in the state directory. Of all servers, or of one. */
export const guestPids = (stateDir: string, serverId = ''): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        return (
          line.split('\0')[0]?.includes('qemu-system') === true && line.includes(`${stateDir}/instances/${serverId}`)
        )
      } catch {
        return false // it ended meanwhile
      }
    })

/**
 * Without the counters, the list of one table as lines; the elements of a set may share one, so they are counted by their commas.
 * Where nft breaks a line depends on how long the elements are.
 */
async function filterLines(table: string): Promise<number> {
  const [namespace = '', ...name] = table.split(' ')
  const { stdout } = await run('nsenter', [
    `--net=/run/netns/${namespace}`,
    'nft',
    '--stateless',
    'list',
    'table',
    ...name,
  ])
  return stdout.replaceAll(/,\s*\n\s*/g, ',').split(/[\n,]/).length
}

const leaseLines = (folder: string): number =>
  (existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [])
    .filter((name) => /hosts/.test(name))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n').filter(Boolean)).length

/** Whole images in the cache are shared and stay. */
const files = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name !== '_base' && (!name.startsWith('_base/') || name.endsWith('.part')))
    .toSorted()

const serialLines = (folder: string): readonly string[] => (existsSync(folder) ? readdirSync(folder).toSorted() : [])

function rows(stateDir: string): Pick<Leftovers, 'ports' | 'allocations' | 'unfinishedTasks' | 'owed'> {
  const network = new DatabaseSync(join(stateDir, 'network.sqlite'), { readOnly: true })
  const kilonova = new DatabaseSync(join(stateDir, 'kilonova.sqlite'), { readOnly: true })
  const count = (database: DatabaseSync, table: string) =>
    Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'])
  try {
    return {
      ports: count(network, 'ports'),
      allocations: count(kilonova, 'allocations'),
      unfinishedTasks: kilonova
        .prepare('SELECT action, server_id FROM tasks WHERE finished_at IS NULL')
        .all()
        .map((row) => `${String(row['action'])} ${String(row['server_id'])}`),
      owed: count(kilonova, 'owed'),
    }
  } finally {
    network.close()
    kilonova.close()
  }
}
