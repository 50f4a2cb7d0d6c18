/**
 * The routers of this host: those it was told of, of which it has the ones with a guest on one of their networks. A router holds its networks,
 * the one it leads out to as well, so these stay until it is gone.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Log } from '@kilonova/base/log.ts'
import type { RouterFacts, RouterPort } from '../driver.ts'
import type { GuestNetwork } from './guest-network.ts'
import type { Names } from './names.ts'
import { changeFloatingIps, makeRouter, portsOf, removeRouter, routerExists } from './router.ts'
import { type SharedRun, sharedRun } from './shared-run.ts'

export interface HostRouters {
  /** All that there shall be. Errors: of the first that cannot be made, after all others. */
  apply(routers: readonly RouterFacts[]): Promise<void>
  /** Guests came to these networks or left them. What fails is logged: no guest waits for a router. */
  follow(networkIds: Iterable<string>): Promise<void>
  /** Says again what was told before, to the networks alone; `follow` makes it. */
  recall(routers: readonly RouterFacts[]): void
  /** The namespaces of those that should be here, and the networks that these hold. */
  held(): { readonly namespaces: readonly string[]; readonly networkIds: readonly string[] }
}

export interface HostRoutersOptions {
  readonly names: Names
  readonly networkOf: (networkId: string) => GuestNetwork
  readonly log: Log
}

const AT_ONCE = 4

interface Made {
  readonly facts: RouterFacts
  readonly behind: ReadonlyMap<string, string>
  readonly generations: readonly number[]
}
const withoutFloatingIps = (made: Made): Made => ({ ...made, facts: { ...made.facts, floatingIps: [] } })

interface Failure {
  readonly routerId: string
  readonly reason: unknown
}

export function hostRouters({ names, networkOf, log }: HostRoutersOptions): HostRouters {
  const told = new Map<string, RouterFacts>()
  const runs = new Map<string, SharedRun>()
  /** What each router holds of its networks, by port. */
  const attached = new Map<string, ReadonlyMap<string, RouterPort>>()
  /** What each was made from; undefined until this process has made it. */
  const made = new Map<string, Made>()

  const isHere = ({ interfaces }: RouterFacts): boolean =>
    interfaces.some(({ networkId }) => networkOf(networkId).hasGuests())
  const wanted = (routerId: string): RouterFacts | undefined => {
    const facts = told.get(routerId)
    return facts && isHere(facts) ? facts : undefined
  }
  /** Routers whose networks do not know yet what these hold of them. */
  const news = new Set<string>()
  /** Answers with the networks that it held before and holds no more. */
  const attach = (routerId: string, facts: RouterFacts | undefined): ReadonlySet<string> => {
    const former = attached.get(routerId) ?? new Map<string, RouterPort>()
    const next = new Map((facts ? portsOf(facts) : []).map((port) => [port.portId, port]))
    if (isDeepStrictEqual(former, next)) return new Set()
    news.add(routerId)
    for (const port of next.values()) networkOf(port.networkId).attach(port)
    const gone = [...former.values()].filter(({ portId }) => !next.has(portId))
    for (const { portId, networkId } of gone) networkOf(networkId).detach(portId)
    if (next.size > 0) attached.set(routerId, next)
    else attached.delete(routerId)
    return new Set(gone.map(({ networkId }) => networkId))
  }
  const settled = async (networkIds: Iterable<string>): Promise<void> => {
    const outcomes = await Promise.allSettled([...networkIds].map((id) => networkOf(id).settle()))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }
  const work = async (routerId: string): Promise<void> => {
    const facts = wanted(routerId)
    const networks = new Set((facts ? portsOf(facts) : []).map(({ networkId }) => networkId))
    // Its wires go before their networks, and come after them.
    if (!facts) {
      made.delete(routerId)
      await removeRouter(names, routerId)
    }
    const left = attach(routerId, facts)
    // One that cannot lead out leads between its networks all the same.
    const blocked = news.has(routerId) ? await failureOf(settled(networks)) : undefined
    if (facts) await make(blocked ? { ...facts, gateway: null, floatingIps: [] } : facts)
    if (blocked) throw blocked.reason
    if (news.has(routerId)) await settled(left)
    news.delete(routerId)
  }
  const make = async (facts: RouterFacts): Promise<void> => {
    const { routerId, interfaces } = facts
    const behind = new Map<string, string>()
    for (const { portId, networkId } of interfaces) {
      const host = networkOf(networkId).hostBehind()
      if (host !== undefined) behind.set(portId, host)
    }
    const from: Made = {
      facts,
      behind,
      generations: portsOf(facts).map(({ networkId }) => networkOf(networkId).generation()),
    }
    const former = routerExists(names, routerId) ? made.get(routerId) : undefined
    if (isDeepStrictEqual(former, from)) return
    made.delete(routerId)
    if (former && isDeepStrictEqual(withoutFloatingIps(former), withoutFloatingIps(from)))
      await changeFloatingIps(names, facts, former.facts)
    else await makeRouter(names, facts, behind)
    made.set(routerId, from)
  }
  const settle = (routerId: string): Promise<void> => {
    const run = runs.get(routerId) ?? sharedRun(() => work(routerId))
    runs.set(routerId, run)
    return run.run()
  }
  /** A few at a time: each runs a handful of programs. Answers with the failures. */
  const settleAll = async (routerIds: readonly string[]): Promise<readonly Failure[]> => {
    const failures: Failure[] = []
    const waiting = routerIds.toReversed()
    const next = async (): Promise<void> => {
      for (let routerId = waiting.pop(); routerId !== undefined; routerId = waiting.pop()) {
        const failure = await failureOf(settle(routerId))
        if (failure) failures.push({ ...failure, routerId })
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, next))
    return failures
  }

  return {
    apply: async (routers) => {
      const former = [...told.keys()]
      told.clear()
      for (const facts of routers) told.set(facts.routerId, facts)
      const [failure] = await settleAll([...new Set([...former, ...told.keys()])])
      if (failure) throw failure.reason
    },
    follow: async (networkIds) => {
      const ids = new Set(networkIds)
      const concerned = [...told.values()].filter(({ interfaces }) =>
        interfaces.some(({ networkId }) => ids.has(networkId)),
      )
      for (const { routerId, reason } of await settleAll(concerned.map((router) => router.routerId)))
        log.error('router cannot be made', { router: routerId, error: reason })
    },
    recall: (routers) => {
      for (const facts of routers) {
        told.set(facts.routerId, facts)
        if (isHere(facts)) attach(facts.routerId, facts)
      }
    },
    held: () => ({
      namespaces: [...attached.keys()].map(names.routerNamespace),
      networkIds: [...attached.values()].flatMap((ports) => [...ports.values()].map(({ networkId }) => networkId)),
    }),
  }
}

const failureOf = (work: Promise<void>): Promise<{ readonly reason: unknown } | undefined> =>
  work.then(
    () => undefined,
    (reason: unknown) => ({ reason }),
  )
