/** The guests' networks on this host. What is wanted is written down before it is made, so that a restart finds it or removes it. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import { HostError } from '../host-error.ts'
import type { PortFacts, RouterFacts } from '../driver.ts'
import { run } from './command.ts'
import { type GuestNetwork, guestNetwork } from './guest-network.ts'
import { applyHostFilter } from './host-filter.ts'
import { hostRouters } from './host-routers.ts'
import { type Inventory, inventoryOf, removeStrays } from './inventory.ts'
import type { MetadataTarget } from './metadata-proxy.ts'
import { namesOf } from './names.ts'
import { portFlaw, routerFlaw } from './port-flaw.ts'
import { runningDnsmasq } from './dnsmasq.ts'
import { wireSlots } from './slots.ts'
import { networkStore } from './store.ts'

export interface HostNetwork {
  /** Makes the host side of a server's ports: finds what exists and does the rest. Ports it had before and has no more are removed. */
  plug(serverId: string, ports: readonly PortFacts[]): Promise<void>
  /** Removes all of it; a network's namespace, DHCP and listener with its last port. */
  unplug(serverId: string): Promise<void>
  /** Newer facts of ports; those that are not plugged are passed over. Errors: HostError for the first that cannot be used, after all others. */
  refresh(ports: readonly PortFacts[]): Promise<void>
  /** All routers that this host shall know. Errors: HostError of the first that cannot be made, after all others. */
  applyRouters(routers: readonly RouterFacts[]): Promise<void>
  nics(serverId: string): Promise<readonly Nic[]>
  /** What exists now, read from the host. */
  inventory(): Promise<Inventory>
  /** Stops listening for metadata; guests' networks stay. */
  close(): Promise<void>
}

export interface Nic {
  readonly portId: string
  readonly mac: string
  readonly mtu: number
  readonly tap: string
}

export interface HostNetworkOptions {
  /** 4 to 6 hex digits, part of every name on the host. */
  readonly installationId: string
  readonly stateDir: string
  readonly metadata: MetadataTarget | undefined
  /** Guests of external and routed networks reach what this machine reaches, under its addresses. Default: they do not. */
  readonly beyond?: boolean
  readonly log: Log
  readonly clock: Clock
}

const RESTORED_AT_ONCE = 4

export async function hostNetwork(options: HostNetworkOptions): Promise<HostNetwork> {
  const log = options.log.in(import.meta)
  const names = namesOf(options.installationId)
  const store = networkStore(join(options.stateDir, 'network'), log)
  const networks = new Map<string, GuestNetwork>()
  const turns = new Map<string, Promise<void>>()
  /** The servers of plugged ports. */
  const owners = new Map<string, string>()
  const slots = wireSlots(store, options.installationId)

  /** One after another for one server. */
  const inTurn = (serverId: string, work: () => Promise<void>): Promise<void> => {
    const turn = (turns.get(serverId) ?? Promise.resolve()).then(work, work)
    turns.set(serverId, turn)
    const forget = () => turns.get(serverId) === turn && turns.delete(serverId)
    turn.then(forget, forget)
    return turn
  }
  /** Kept as long as we run, also while no port is there: a few fields, and nobody can hold one that is no longer the network's. */
  const networkOf = (networkId: string): GuestNetwork => {
    const known = networks.get(networkId)
    if (known) return known
    const slot = { take: () => slots.take(networkId), free: () => slots.free(networkId) }
    const made = guestNetwork({ names, networkId, slot, metadata: options.metadata, log })
    networks.set(networkId, made)
    return made
  }
  const routers = hostRouters({ names, networkOf, log })
  const settle = async (ports: readonly { readonly facts: PortFacts }[]): Promise<void> => {
    const ids = new Set(ports.map(({ facts }) => facts.networkId))
    await Promise.all([...ids].map((id) => networkOf(id).settle()))
    await routers.follow(ids)
  }
  const plug = async (serverId: string, facts: readonly PortFacts[]): Promise<void> => {
    const former = store.server(serverId)
    const numbers = new Map(former?.ports.map((port) => [port.facts.portId, port.number]))
    const wanted = new Set(facts.map(({ portId }) => portId))
    const leaving = [...(former?.ports ?? []), ...(former?.leaving ?? [])].filter(
      (port) => !wanted.has(port.facts.portId),
    )
    for (const { facts: gone } of leaving) owners.delete(gone.portId)
    for (const { portId } of facts) owners.set(portId, serverId)
    const ports = facts.map((each) => networkOf(each.networkId).add(serverId, each, numbers.get(each.portId)))
    store.writeServer({ serverId, ports, leaving })
    for (const port of leaving) networkOf(port.facts.networkId).remove(port.facts.portId)
    await settle([...ports, ...leaving])
    if (ports.length === 0) store.removeServer(serverId)
    else if (leaving.length > 0) store.writeServer({ serverId, ports, leaving: [] })
  }
  /** Whose ports they are; the newest facts of each are kept, and those that changed are told to their networks. */
  const update = async (
    serverId: string,
    newer: readonly PortFacts[],
    touched: Set<string>,
    sameRules: SameRules,
  ): Promise<void> => {
    const record = store.server(serverId)
    if (!record) return
    const byId = new Map(newer.map((facts) => [facts.portId, facts]))
    const changed = record.ports.flatMap(({ facts }) => {
      const next = merged(facts, byId.get(facts.portId), sameRules)
      return next ? [next] : []
    })
    if (changed.length === 0) return
    const changedById = new Map(changed.map((facts) => [facts.portId, facts]))
    const ports = record.ports.map((port) => ({ ...port, facts: changedById.get(port.facts.portId) ?? port.facts }))
    store.writeServer({ ...record, ports })
    for (const facts of changed) {
      networkOf(facts.networkId).update(facts)
      touched.add(facts.networkId)
    }
  }
  const refresh = async (ports: readonly PortFacts[]): Promise<void> => {
    const touched = new Set<string>()
    const sameRules = rulesComparison()
    const flawed = ports.find((port) => owners.has(port.portId) && portFlaw(port) !== undefined)
    const usable = flawed ? ports.filter((port) => portFlaw(port) === undefined) : ports
    const byServer = Map.groupBy(
      usable.flatMap((facts) => {
        const serverId = owners.get(facts.portId)
        return serverId === undefined ? [] : [{ serverId, facts }]
      }),
      ({ serverId }) => serverId,
    )
    await Promise.all(
      [...byServer].map(([serverId, owned]) =>
        inTurn(serverId, () =>
          update(
            serverId,
            owned.map(({ facts }) => facts),
            touched,
            sameRules,
          ),
        ),
      ),
    )
    await Promise.all([...touched].map((id) => networkOf(id).settle()))
    if (flawed)
      throw new HostError('CommandFailed', `port ${flawed.portId} is not brought up to date: ${portFlaw(flawed)}`)
  }
  const recover = async (): Promise<void> => {
    const records = store.servers()
    for (const { serverId, ports } of records)
      for (const { facts, number } of ports) {
        networkOf(facts.networkId).add(serverId, facts, number)
        owners.set(facts.portId, serverId)
      }
    const all = records.flatMap(({ ports }) => ports.map(({ facts }) => facts))
    routers.recall(store.routers())
    const held = routers.held()
    const networkIds = new Set([...all.map(({ networkId }) => networkId), ...held.networkIds])
    const strays = await removeStrays(names, {
      namespaces: new Set([...[...networkIds].map(names.namespace), ...held.namespaces]),
      links: new Set([
        ...all.flatMap(({ portId }) => [names.tap(portId), names.wire(portId)]),
        ...[...networkIds].map(names.uplink),
      ]),
      folders: new Map([...networkIds].map(names.runtime).map((folder) => [folder, runningDnsmasq(folder)?.pid])),
    })
    for (const { serverId, ports, leaving } of records) {
      if (ports.length === 0) store.removeServer(serverId)
      else if (leaving.length > 0) store.writeServer({ serverId, ports, leaving: [] })
    }
    await applyHostFilter(names, options.beyond)
    if (strays.length > 0) log.info('removed what nobody asked for', { strays })
    for (const { networkId } of store.networks()) if (!networkIds.has(networkId)) slots.free(networkId)
    const waiting = [...networkIds]
    const restore = async () => {
      for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) await settleOrLog(id)
    }
    await Promise.all(Array.from({ length: RESTORED_AT_ONCE }, restore))
    await routers.follow(networkIds)
  }
  /** One that cannot be made must not keep the others from coming back; it is tried again with its next port. */
  const settleOrLog = (networkId: string): Promise<void> =>
    networkOf(networkId)
      .settle()
      .catch((error: unknown) => log.error('network cannot be restored', { network: networkId, error }))

  await loadBridgeFilter()
  await recover()
  return {
    plug: async (serverId, ports) => {
      const flawed = ports.find((port) => portFlaw(port) !== undefined)
      if (flawed) throw new HostError('CommandFailed', `port ${flawed.portId} cannot be plugged: ${portFlaw(flawed)}`)
      await inTurn(serverId, () => plug(serverId, ports))
    },
    unplug: (serverId) =>
      inTurn(serverId, async () => {
        if (store.server(serverId)) await plug(serverId, [])
      }),
    refresh,
    applyRouters: async (told) => {
      const usable = told.filter((router) => routerFlaw(router) === undefined)
      store.writeRouters(usable)
      await routers.apply(usable)
      const flawed = told.find((router) => routerFlaw(router) !== undefined)
      if (flawed) throw new HostError('CommandFailed', `router ${flawed.routerId} is not made: ${routerFlaw(flawed)}`)
    },
    nics: async (serverId) => {
      const record = store.server(serverId)
      return (record?.ports ?? []).map(({ facts: { portId, mac, mtu } }) => ({
        portId,
        mac,
        mtu,
        tap: names.tap(portId),
      }))
    },
    inventory: () => inventoryOf(names),
    close: async () => {
      await Promise.allSettled(turns.values())
      await Promise.all([...networks.values()].map((network) => network.close()))
    },
  }
}

/**
 * What a port is known by from now on; undefined when nothing is new. Who reads ports in bulk may not know a server's name for its guests, nor its flavor.
 * A port stays in its network and keeps its card.
 */
function merged(known: PortFacts, newer: PortFacts | undefined, sameRules: SameRules): PortFacts | undefined {
  if (!newer || newer.networkId !== known.networkId) return undefined
  const hostname = newer.hostname === '' ? known.hostname : newer.hostname
  const next = { ...newer, mac: known.mac, hostname, ...(known.quota ? { quota: known.quota } : {}) }
  const same = isDeepStrictEqual({ ...next, rules: [] }, { ...known, rules: [] }) && sameRules(known.rules, next.rules)
  return same ? undefined : next
}

type Rules = PortFacts['rules']
type SameRules = (one: Rules, other: Rules) => boolean

/** Ports that share a list of rules, as most do, are compared by it once. */
function rulesComparison(): SameRules {
  const compared = new Map<Rules, Map<Rules, boolean>>()
  return (one, other) => {
    const known = compared.get(one) ?? new Map<Rules, boolean>()
    compared.set(one, known)
    const same = known.get(other) ?? (one === other || isDeepStrictEqual(one, other))
    known.set(other, same)
    return same
  }
}

/** Bridged frames pass the packet filter only with this part of the kernel. Where we load it, other people's bridges stay as they were. */
async function loadBridgeFilter(): Promise<void> {
  const settings = '/proc/sys/net/bridge'
  if (existsSync(settings)) return
  await run('modprobe', ['br_netfilter'])
  for (const family of ['ip', 'ip6', 'arp']) writeFileSync(`${settings}/bridge-nf-call-${family}tables`, '0')
}
