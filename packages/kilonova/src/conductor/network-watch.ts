/**
 * Brings the ports of running guests up to date: one conductor of all follows the network service's feed, reads the facts of ports that
 * changed, many at once, and sends them to the hosts that have them.
 *
 *   feed, plugs, hosts that start ─▶ todo ─▶ read (one at a time) ─▶ outbox per host ─▶ refreshPorts
 *
 * Interfaces whose ports are gone are detached (lost-ports.ts). Hosts are told their routers besides (tell-routers.ts). What is read is never older than what it was read for, and of a port's facts only the newest are sent. Whatever fails is done anew,
 * as a whole for the host it concerns; so nothing need be kept when this process ends: the next one begins with everything.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { newId, type Clock } from '@kilonova/base/clock.ts'
import { newRequestId } from '@kilonova/base/context.ts'
import type { Log } from '@kilonova/base/log.ts'
import { backOffMs } from '@kilonova/base/retry.ts'
import type { Kysely } from 'kysely'
import type { NetworkChanges } from '../clients/network-changes.ts'
import type { Port } from '../clients/neutron.ts'
import { allHosts } from '../db/hosts.ts'
import { hostnamesOf } from '../db/server-lookups.ts'
import type { Tables } from '../db/tables.ts'
import { holdWatch, releaseWatch } from '../db/watches.ts'
import type { Bus } from '../rpc/bus.ts'
import { compute, computeTopic, HOST_EVENTS, hostEvent, packPorts } from '../rpc/compute.ts'
import { PORTS_PLUGGED } from '../rpc/conductor.ts'
import { client } from '../rpc/contract.ts'
import type { PortFacts } from '../virt/driver.ts'
import { showFloatingIps } from './floating-addresses.ts'
import { lostPorts } from './lost-ports.ts'
import { tellRouters } from './tell-routers.ts'

export interface NetworkWatchReach {
  readonly db: Kysely<Tables>
  readonly bus: Bus
  readonly changes: NetworkChanges
  readonly clock: Clock
  readonly log: Log
}

export interface NetworkWatchOptions {
  /** Of this daemon, the same after a restart. */
  readonly name: string
  readonly leaseMs: number
}

const WATCH = 'network'
/** One question to the feed waits so long. */
const WAIT_SECONDS = 20
/** Everything is looked at anew that often, whatever was told; where nothing is told, more often. */
const SWEEP_MS = 600_000
const SWEEP_WITHOUT_FEED_MS = 60_000
/** What was plugged is looked at after that long: a storm of boots costs a few looks, not one each. */
const PLUGGED_MS = 300
/** Between two reads there is at least that many times what the last one took, up to the limit: the rest is for others. */
const REST = { times: 4, mostMs: 600 }
const FIRST_BACK_OFF_MS = 500
const MOST_BACK_OFF_MS = 30_000
const VERB_TIMEOUT_MS = 60_000

const nobody = () => ({ requestId: newRequestId(), userId: '', projectId: '' })

export function startNetworkWatch(
  reach: NetworkWatchReach,
  { name, leaseMs }: NetworkWatchOptions,
): { close(): Promise<void> } {
  const { db, bus, changes, clock } = reach
  const log = reach.log.in(import.meta)
  const owner = `${name}/${newId()}`
  const end = new AbortController()
  /** While it is ours. */
  let term: AbortController | undefined
  const todo = { all: false, hosts: new Set<string>(), ports: new Set<string>(), networks: new Set<string>() }
  const outboxes = new Map<string, { facts: Map<string, PortFacts>; sending: boolean; failures: number }>()
  const wait = (ms: number) => delay(ms, undefined, { signal: end.signal, ref: false }).catch(() => undefined)

  let reading: Promise<void> | undefined
  const isIdle = () => !todo.all && todo.hosts.size + todo.ports.size + todo.networks.size === 0
  /** Starts reading, unless that goes on: whoever reads looks again when it is done. */
  const wake = (): void => {
    reading ??= readAll().finally(() => {
      reading = undefined
      if (!isIdle() && isOurs()) wake()
    })
  }
  const isOurs = () => term !== undefined && !end.signal.aborted

  async function readAll(): Promise<void> {
    for (let failures = 0; !isIdle() && isOurs();) {
      const began = performance.now()
      const taken = { all: todo.all, hosts: [...todo.hosts], ports: [...todo.ports], networks: [...todo.networks] }
      todo.all = false
      for (const set of [todo.hosts, todo.ports, todo.networks]) set.clear()
      try {
        await read(taken)
        failures = 0
        await wait(Math.min(REST.mostMs, REST.times * (performance.now() - began)))
      } catch (error) {
        todo.all ||= taken.all
        for (const key of ['hosts', 'ports', 'networks'] as const) for (const id of taken[key]) todo[key].add(id)
        log.warn('facts of ports not read', { error })
        await wait(backOffMs(++failures, FIRST_BACK_OFF_MS, MOST_BACK_OFF_MS))
      }
    }
  }

  async function read(wanted: {
    readonly all: boolean
    readonly hosts: readonly string[]
    readonly ports: readonly string[]
    readonly networks: readonly string[]
  }): Promise<void> {
    const found = wanted.all
      ? [await changes.boundPorts('all')]
      : await Promise.all([
          changes.boundPorts({ by: 'id', values: wanted.ports }),
          changes.boundPorts({ by: 'network_id', values: wanted.networks }),
          changes.boundPorts({ by: 'binding:host_id', values: wanted.hosts }),
        ])
    await lost.seen(found.flat(), wanted.all ? 'all' : wanted.ports)
    const hosts = new Set((await allHosts(db)).map(({ host }) => host))
    const ports = [...new Map(found.flat().map((port) => [port.id, port])).values()].filter(({ host }) =>
      hosts.has(host),
    )
    if (ports.length === 0) return
    const names = await hostnamesOf(db, [...new Set(ports.map(({ deviceId }) => deviceId))])
    const facts = await changes.facts(ports, ({ deviceId }) => names.get(deviceId) ?? '')
    post(ports, facts)
  }

  function post(ports: readonly Port[], facts: readonly PortFacts[]): void {
    const touched = new Set<string>()
    for (const [index, { id, host }] of ports.entries()) {
      const box = outboxes.get(host) ?? { facts: new Map<string, PortFacts>(), sending: false, failures: 0 }
      outboxes.set(host, box)
      const own = facts[index]
      if (own) box.facts.set(id, own)
      touched.add(host)
    }
    for (const host of touched) void send(host)
  }

  /** One message at a time for a host; what comes meanwhile makes the next. */
  async function send(host: string): Promise<void> {
    const box = outboxes.get(host)
    if (!box || box.sending) return
    box.sending = true
    try {
      while (box.facts.size > 0 && isOurs()) {
        const facts = [...box.facts.values()]
        box.facts.clear()
        await client(compute, bus, computeTopic(host), nobody(), VERB_TIMEOUT_MS).refreshPorts(packPorts(facts))
        box.failures = 0
      }
      outboxes.delete(host)
    } catch (error) {
      box.facts.clear()
      log.warn('host not told of its ports', { host, error })
      await wait(backOffMs(++box.failures, FIRST_BACK_OFF_MS, MOST_BACK_OFF_MS))
      box.sending = false
      todo.hosts.add(host)
      if (isOurs()) wake()
    }
  }

  async function follow(signal: AbortSignal): Promise<void> {
    let cursor: string | undefined
    let sweptAt = clock.now()
    for (let failures = 0; !signal.aborted;) {
      try {
        const told = await changes.since(cursor, WAIT_SECONDS, signal)
        failures = 0
        const sweepMs = told ? SWEEP_MS : SWEEP_WITHOUT_FEED_MS
        const isDue = clock.now() - sweptAt >= sweepMs || cursor === undefined
        cursor = told?.cursor ?? ''
        if (isDue || told?.all) sweptAt = clock.now()
        todo.all ||= isDue || told?.all === true
        for (const id of told?.ports ?? []) todo.ports.add(id)
        for (const id of told?.networks ?? []) todo.networks.add(id)
        makesRouters = told !== undefined
        if (told && (isDue || told.all)) routers.forget()
        else if (told && told.routers.length > 0) routers.wake()
        else if (told && told.ports.length > 0) routers.wakeLater()
        if (!isIdle()) wake()
        if (!told) await wait(SWEEP_WITHOUT_FEED_MS)
      } catch (error) {
        if (signal.aborted) return
        log.warn('changes of the network service are not told', { error })
        await wait(backOffMs(++failures, FIRST_BACK_OFF_MS, MOST_BACK_OFF_MS))
      }
    }
  }

  async function lead(): Promise<void> {
    const now = clock.now()
    const ours = await holdWatch(db, WATCH, owner, now, now + leaseMs)
    if (ours && !term) {
      term = new AbortController()
      show = showFloatingIps(db)
      lost = beginToLose()
      void follow(AbortSignal.any([term.signal, end.signal]))
    }
    if (!ours && term) {
      term.abort()
      term = undefined
    }
  }
  async function leadOn(): Promise<void> {
    await releaseWatch(db, WATCH, `${name}/`)
    while (!end.signal.aborted) {
      await lead().catch((error: unknown) => log.error('watch not held', { error }))
      await wait(leaseMs / 3)
    }
  }

  const plugged = new Set<string>()
  let later: NodeJS.Timeout | undefined
  /** Elsewhere than in our companion somebody else makes them. */
  let makesRouters = false
  let show = showFloatingIps(db)
  const beginToLose = () => lostPorts({ db, bus, clock, log, ports: changes.ports, signal: end.signal })
  let lost = beginToLose()
  const routers = tellRouters({
    read: async () => {
      const { byHost, floatingIps } = await changes.routers()
      if (isOurs()) await show(floatingIps)
      return byHost
    },
    hosts: async () => (await allHosts(db)).map(({ host }) => host),
    tell: async (host, told) => {
      if (isOurs())
        await client(compute, bus, computeTopic(host), nobody(), VERB_TIMEOUT_MS).applyRouters({ routers: told })
    },
    log,
    signal: end.signal,
  })
  const stops = [
    bus.subscribe(PORTS_PLUGGED, (event) => {
      if (!term) return
      for (const id of (event as { ports: string[] }).ports) plugged.add(id)
      later ??= setTimeout(() => {
        later = undefined
        for (const id of plugged) todo.ports.add(id)
        plugged.clear()
        wake()
        if (makesRouters) routers.wakeLater()
      }, PLUGGED_MS)
    }),
    bus.subscribe(HOST_EVENTS, (message) => {
      const event = hostEvent.parse(message)
      if (event.kind !== 'started' || !term) return
      todo.hosts.add(event.host)
      wake()
      if (makesRouters) routers.forget(event.host)
    }),
  ]
  const leading = leadOn()

  return {
    close: async () => {
      for (const stop of stops) stop()
      clearTimeout(later)
      end.abort()
      await leading.catch((error: unknown) => log.warn('watch ended badly', { error }))
      await reading
      if (term)
        await releaseWatch(db, WATCH, owner).catch((error: unknown) => log.warn('watch not released', { error }))
    },
  }
}
