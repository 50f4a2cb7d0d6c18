/** What this installation has on the host now, read from the host itself; and the removal of what nobody asked for. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './command.ts'
import { hostTablesOf, removeHostFilter } from './host-filter.ts'
import type { Names } from './names.ts'
import { deleteNamespace, removeLinks } from './namespace.ts'

export interface Inventory {
  readonly namespaces: readonly string[]
  /** Links in the root namespace. */
  readonly links: readonly string[]
  /** Tables of the packet filter, as `<namespace> <family> <name>`. */
  readonly tables: readonly string[]
  /** In the root namespace, as `<family> <name>`. */
  readonly hostTables: readonly string[]
  /** Ids of dnsmasq processes. */
  readonly processes: readonly number[]
  /** Destinations that the root namespace reaches over our links. */
  readonly routes: readonly string[]
}

export async function inventoryOf(names: Names): Promise<Inventory> {
  const namespaces = namespacesOf(names)
  const [tables, hostTables, routes] = await Promise.all([
    Promise.all(namespaces.map(tablesIn)),
    hostTablesOf(names),
    routesOf(names),
  ])
  return {
    namespaces,
    links: linksOf(names),
    tables: tables.flat(),
    hostTables,
    processes: dnsmasqsOf(names).map(({ pid }) => pid),
    routes,
  }
}

export interface Wanted {
  readonly namespaces: ReadonlySet<string>
  readonly links: ReadonlySet<string>
  /** Folders of networks; a dnsmasq of another folder, or a second one of the same, is a stray. */
  readonly folders: ReadonlyMap<string, number | undefined>
}

/**
 * Removes what carries our installation's id and is not wanted: left by a process that died before it wrote, or lost its records. Where
 * no link is wanted, nothing guards the machine from our guests either.
 */
export async function removeStrays(names: Names, wanted: Wanted): Promise<readonly string[]> {
  const processes = dnsmasqsOf(names).filter(({ pid, folder }) => wanted.folders.get(folder) !== pid)
  for (const { pid } of processes) process.kill(pid, 'SIGKILL')
  const links = linksOf(names).filter((name) => !wanted.links.has(name))
  await removeLinks(links)
  const namespaces = namespacesOf(names).filter((name) => !wanted.namespaces.has(name))
  for (const name of namespaces) await deleteNamespace(name)
  const tables = wanted.links.size === 0 ? await removeHostFilter(names) : []
  for (const folder of listed(names.runtimeRoot).map((name) => join(names.runtimeRoot, name))) {
    if (!wanted.folders.has(folder)) rmSync(folder, { recursive: true, force: true })
  }
  return [
    ...processes.map(({ pid }) => `dnsmasq ${pid}`),
    ...links,
    ...namespaces,
    ...tables.map((name) => `table ${name}`),
  ]
}

const listed = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).toSorted() : [])
const namespacesOf = (names: Names): string[] => listed('/run/netns').filter(names.isNamespace)
const linksOf = (names: Names): string[] => listed('/sys/class/net').filter(names.isLink)

async function tablesIn(namespace: string): Promise<string[]> {
  const text = await run('nsenter', [`--net=/run/netns/${namespace}`, 'nft', 'list', 'tables'])
  return text
    .split('\n')
    .flatMap((line) => (line.startsWith('table ') ? `${namespace} ${line.slice('table '.length)}` : []))
}

async function routesOf(names: Names): Promise<string[]> {
  const routes = JSON.parse((await run('ip', ['-j', 'route', 'show'])) || '[]') as {
    dst: string
    dev?: string
    gateway?: string
  }[]
  return routes
    .filter(({ dev, gateway }) => gateway !== undefined && dev !== undefined && names.isLink(dev))
    .map(({ dst }) => dst)
}

function dnsmasqsOf(names: Names): { readonly pid: number; readonly folder: string }[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return []
    try {
      const file = readFileSync(`/proc/${entry}/cmdline`, 'utf8')
        .split('\0')
        .find((argument) => argument.startsWith(`--pid-file=${names.runtimeRoot}/`))
      return file === undefined
        ? []
        : { pid: Number(entry), folder: file.slice('--pid-file='.length, file.lastIndexOf('/')) }
    } catch {
      return [] // It ended meanwhile.
    }
  })
}
