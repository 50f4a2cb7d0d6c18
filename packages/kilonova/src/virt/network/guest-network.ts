/**
 * One guest network on this host: the ports that should be here, and `settle`, which makes it so. Many callers share one run;
 * whoever comes while it runs shares the next. A run looks at what exists, so it may follow on one that died anywhere.
 */
import { rmSync } from 'node:fs'
import type { Log } from '@kilonova/base/log.ts'
import type { PortFacts, RouterPort } from '../driver.ts'
import { wirePair } from './address.ts'
import { ipBatch, tcBatch } from './command.ts'
import { settleDhcp, stopDhcp } from './dnsmasq.ts'
import { type Layout, layoutOf, ownsGateway } from './layout.ts'
import { type MetadataListener, metadataListener } from './metadata-listener.ts'
import type { Guest, MetadataTarget } from './metadata-proxy.ts'
import { type Names, routerPort } from './names.ts'
import {
  joinCommands,
  linkExists,
  makeNamespace,
  makePorts,
  namespaceExists,
  removeLinks,
  removeNamespace,
} from './namespace.ts'
import { applyPacketFilter } from './packet-filter.ts'
import { NOTHING_SHAPED, shapeCommands, shapedLinks } from './shaping.ts'
import { sharedRun } from './shared-run.ts'
import type { PluggedPort } from './store.ts'

export interface GuestNetwork {
  readonly networkId: string
  /** Says that the port belongs here, or that its facts changed. Takes effect with `settle`. */
  add(serverId: string, facts: PortFacts, number?: number): PluggedPort
  /** Newer facts of a port that belongs here; its links stay as they are, so this costs less than `add`. */
  update(facts: PortFacts): void
  remove(portId: string): void
  /** Says what a router has here; its link is the router's to make, once this network is settled. */
  attach(port: RouterPort): void
  detach(portId: string): void
  /** Until it holds for all that was said before the call. With no port left, of a guest or a router, it removes everything. */
  settle(): Promise<void>
  hasGuests(): boolean
  /** Another number: the namespace is another one, with none of the links that were in the former. */
  generation(): number
  /** The root namespace's address on the wire to here, while it reaches subnets whose gateway is a router's. */
  hostBehind(): string | undefined
  close(): Promise<void>
}

export interface GuestNetworkOptions {
  readonly names: Names
  readonly networkId: string
  /** The number of the network's wire to the root namespace: kept while the network is here. */
  readonly slot: { take(): Promise<number>; free(): void }
  readonly metadata: MetadataTarget | undefined
  readonly log: Log
}

const MAX_PORTS = 65_535

export function guestNetwork({ names, networkId, slot, metadata, log }: GuestNetworkOptions): GuestNetwork {
  const ports = new Map<string, PluggedPort & { readonly serverId: string }>()
  /** Ports whose links this process has made or seen since they were last plugged. */
  const joined = new Set<string>()
  const leaving = new Set<string>()
  const routers = new Map<string, RouterPort>()
  const namespace = names.namespace(networkId)
  const folder = names.runtime(networkId)
  /** The layout that the namespace has been given; undefined until this process has looked. */
  let laidOut: string | undefined
  let behind: string | undefined
  let generation = 0
  let listener: MetadataListener | undefined

  const freeNumber = (): number => {
    const taken = new Set([...ports.values()].map(({ number }) => number))
    for (let number = 1; number <= MAX_PORTS; number++) if (!taken.has(number)) return number
    throw new Error(`network ${networkId} has ${MAX_PORTS} ports on this host already`)
  }
  const whoHas = (address: string): Guest | undefined => {
    const port = [...ports.values()].find(({ facts }) => facts.fixedIps.some((fixed) => fixed.address === address))
    return port && { serverId: port.serverId, projectId: port.facts.projectId }
  }

  const makeLayout = async (layout: Layout): Promise<void> => {
    const wanted = JSON.stringify(layout)
    if (wanted === laidOut && namespaceExists(names, networkId)) return
    if (!namespaceExists(names, networkId)) {
      // What runs in a namespace that somebody deleted goes on in it, where no guest is.
      await all([closeListener(), stopDhcp(folder)])
      joined.clear()
      generation++
      await removeLinks([...ports.keys()].map(names.wire))
    }
    const number = layout.routed.length > 0 ? await slot.take() : 0
    await makeNamespace(names, networkId, layout, number)
    const byRouter = layout.subnets
      .filter(({ cidr }) => layout.routed.includes(cidr))
      .some((each) => !ownsGateway(each))
    behind = byRouter ? wirePair(number).root : undefined
    laidOut = wanted
  }
  const raise = async (): Promise<void> => {
    const layout = layoutOf(networkId, ports.values(), routers.values())
    await makeLayout(layout)
    const fresh = [...ports.keys()].filter((id) => !joined.has(id))
    const here = [...ports.values()]
    const mayBeShaped = fresh.map(names.wire).some(linkExists)
    await all([
      makePorts(names, networkId, fresh, layout.mtu),
      applyPacketFilter(namespace, here, [...routers.keys()].map(routerPort)),
      here.length > 0 ? settleDhcp(namespace, folder, layout, here) : stopDhcp(folder),
      here.length > 0 ? openListener() : closeListener(),
    ])
    const { traffic, inside } = joinCommands(names, fresh)
    const shapes = shapeCommands(
      names,
      here.filter(({ facts }) => fresh.includes(facts.portId)),
      layout.mtu,
      mayBeShaped ? await shapedLinks(namespace) : NOTHING_SHAPED,
    )
    await all([tcBatch([...shapes.root, ...traffic]), tcBatch(shapes.inside, namespace), ipBatch(inside, namespace)])
    for (const id of fresh) joined.add(id)
  }
  const openListener = async (): Promise<void> => {
    if (metadata) listener ??= await metadataListener(names.namespacePath(networkId), metadata, whoHas, log)
  }
  const closeListener = async (): Promise<void> => {
    await listener?.close()
    listener = undefined
  }
  const drop = async (): Promise<void> => {
    const gone = [...leaving]
    const last = isEmpty()
    if (last) await all([closeListener(), stopDhcp(folder)])
    await removeLinks([
      ...gone.flatMap((id) => [names.tap(id), names.wire(id)]),
      ...(last ? [names.uplink(networkId)] : []),
    ])
    if (last) {
      await removeNamespace(names, networkId)
      rmSync(folder, { recursive: true, force: true })
      slot.free()
      laidOut = undefined
    }
    for (const id of gone) leaving.delete(id)
  }
  const isEmpty = () => ports.size + routers.size === 0
  const work = (): Promise<void> => (isEmpty() ? drop() : all([leaving.size > 0 && drop(), raise()]))

  const settling = sharedRun(work)
  return {
    networkId,
    add: (serverId, facts, number) => {
      const port = { serverId, facts, number: number ?? ports.get(facts.portId)?.number ?? freeNumber() }
      ports.set(facts.portId, port)
      leaving.delete(facts.portId)
      joined.delete(facts.portId)
      return { facts, number: port.number }
    },
    update: (facts) => {
      const port = ports.get(facts.portId)
      if (!port) return
      if (port.facts.mtu !== facts.mtu) joined.delete(facts.portId)
      ports.set(facts.portId, { ...port, facts })
    },
    remove: (portId) => {
      ports.delete(portId)
      joined.delete(portId)
      leaving.add(portId)
    },
    settle: settling.run,
    attach: (port) => void routers.set(port.portId, port),
    detach: (portId) => void routers.delete(portId),
    hasGuests: () => ports.size > 0,
    generation: () => generation,
    hostBehind: () => behind,
    close: async () => {
      await settling.ended()
      await closeListener()
    },
  }
}

/** Waits for all of them to end, failed or not, so that no part of a run reaches into the next; then the first failure counts. */
async function all(parts: readonly (Promise<void> | false)[]): Promise<void> {
  const under = parts.filter((part) => part !== false)
  for (const part of await Promise.allSettled(under)) if (part.status === 'rejected') throw part.reason
}
