/** What was asked for on this host, kept as one small file per server: written before anything is made, removed after all is gone. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '@kilonova/base/log.ts'
import type { PortFacts, RouterFacts } from '../driver.ts'

export interface PluggedPort {
  readonly facts: PortFacts
  /** Small and unique in its network: the port's mark in the packet filter. */
  readonly number: number
}

export interface ServerRecord {
  readonly serverId: string
  /** Wanted: a restart makes what is missing of them. */
  readonly ports: readonly PluggedPort[]
  /** Being removed: a restart goes on removing them. */
  readonly leaving: readonly PluggedPort[]
}

export interface NetworkRecord {
  readonly networkId: string
  /** Which pair of addresses its wire to the root namespace has. */
  readonly slot: number
}

export interface NetworkStore {
  servers(): ServerRecord[]
  server(serverId: string): ServerRecord | undefined
  writeServer(record: ServerRecord): void
  removeServer(serverId: string): void
  networks(): NetworkRecord[]
  network(networkId: string): NetworkRecord | undefined
  writeNetwork(record: NetworkRecord): void
  removeNetwork(networkId: string): void
  /** All that this host was told of. */
  routers(): readonly RouterFacts[]
  writeRouters(routers: readonly RouterFacts[]): void
}

export function networkStore(folder: string, log: Log): NetworkStore {
  const servers = join(folder, 'servers')
  const networks = join(folder, 'networks')
  const routers = join(folder, 'routers.json')
  for (const path of [servers, networks]) mkdirSync(path, { recursive: true, mode: 0o700 })

  const file = (place: string, id: string): string => {
    if (!/^[\w-]{1,64}$/.test(id)) throw new Error(`"${id}" is not an id`)
    return join(place, `${id}.json`)
  }
  const read = <T>(path: string): T | undefined => {
    try {
      return JSON.parse(readFileSync(path, 'utf8')) as T
    } catch (error) {
      // A file that a power loss left damaged is as good as none: what it spoke of went with the power.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log.warn('network record cannot be read', { path, error })
      return undefined
    }
  }
  const write = (path: string, record: object): void => {
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }
  const all = <T>(place: string): T[] =>
    readdirSync(place)
      .filter((name) => name.endsWith('.json'))
      .flatMap((name) => read<T>(join(place, name)) ?? [])
  /** What the files of servers say: nobody else writes them. */
  const said = new Map<string, ServerRecord>()
  const remember = (record: ServerRecord): ServerRecord => {
    said.set(record.serverId, record)
    return record
  }
  return {
    servers: () => all<ServerRecord>(servers).map((record) => remember(completed(record))),
    server: (serverId) => {
      const known = said.get(serverId)
      if (known) return known
      const record = read<ServerRecord>(file(servers, serverId))
      return record && remember(completed(record))
    },
    writeServer: (record) => {
      write(file(servers, record.serverId), record)
      remember(record)
    },
    removeServer: (serverId) => {
      rmSync(file(servers, serverId), { force: true })
      said.delete(serverId)
    },
    networks: () => all<NetworkRecord>(networks),
    network: (networkId) => read(file(networks, networkId)),
    writeNetwork: (record) => write(file(networks, record.networkId), record),
    removeNetwork: (networkId) => rmSync(file(networks, networkId), { force: true }),
    routers: () => read<{ routers: readonly RouterFacts[] }>(routers)?.routers ?? [],
    writeRouters: (told) => (told.length > 0 ? write(routers, { routers: told }) : rmSync(routers, { force: true })),
  }
}

/** Facts that were written down before ports had all of their fields. */
const completed = (record: ServerRecord): ServerRecord => ({
  ...record,
  ports: record.ports.map((port) => ({
    ...port,
    facts: {
      ...port.facts,
      adminUp: port.facts.adminUp ?? true,
      allowedPairs: port.facts.allowedPairs ?? [],
      rules: port.facts.rules.map((rule) => ({ ...rule, stateful: rule.stateful ?? true })),
      subnets: port.facts.subnets.map((subnet) => ({
        ...subnet,
        raMode: subnet.raMode ?? null,
        addressMode: subnet.addressMode ?? null,
      })),
    },
  })),
})
