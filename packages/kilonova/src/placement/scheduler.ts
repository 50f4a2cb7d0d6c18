/** The scheduler daemon: looks at its host states, ranks, and claims the best host that is still free. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Kysely } from 'kysely'
import { allocationsOf } from '../db/allocations.ts'
import { findPlacement, serversToPlace } from '../db/placements.ts'
import type { Tables } from '../db/tables.ts'
import type { Bus } from '../rpc/bus.ts'
import { serve } from '../rpc/contract.ts'
import { scheduler, SCHEDULER, type PlaceRequest, type Placement } from '../rpc/scheduler.ts'
import { FILTERS } from '../scheduler/filters/index.ts'
import type { HostState, SchedulerOptions } from '../scheduler/host-state.ts'
import { explain, LOST, rejectionOf, select, type Rejection } from '../scheduler/select.ts'
import { claim, claimTogether, refuseTogether, release, type Wanted } from './claim.ts'
import { hostStates, type CapacityOptions } from './host-states.ts'
import { planTogether } from './plan.ts'
import { requestSpec } from './request-spec.ts'

export interface SchedulerDaemon {
  readonly db: Kysely<Tables>
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly options: SchedulerOptions & CapacityOptions
}

/** Filters that look at the image and not at the room, which the server has. Upstream: RUN_ON_REBUILD. */
const onRebuild = (filter: string): boolean => filter === 'ImagePropertiesFilter'
const NO_REQUEST = {
  resources: { vcpus: 0, memoryMb: 0, diskGb: 0 },
  zone: null,
  onlyHost: null,
  forced: false,
} as const
const MAX_AGE_MS = 2_000
/** How often the hosts are looked at anew when others fill them faster than the servers of one request are placed. */
const LOOKS_TOGETHER = 10

export function startScheduler({ db, bus, clock, log, options }: SchedulerDaemon): { close(): Promise<void> } {
  const unknown = options.enabledFilters.filter((name) => !(name in FILTERS))
  if (unknown.length > 0)
    throw new Error(`[filter_scheduler] enabled_filters names filters that do not exist: ${unknown.join(', ')}`)
  const states = hostStates(db, clock, options, MAX_AGE_MS)

  async function placed(host: string): Promise<Placement> {
    const found = (await states.snapshot()).find((other) => other.host === host)
    return {
      placed: true,
      host,
      hypervisorHostname: found?.hypervisorHostname ?? host,
      zone: found?.zone ?? '',
    }
  }

  const named = ({ onlyHost }: PlaceRequest['spec'], all: readonly HostState[]): readonly HostState[] =>
    onlyHost === null
      ? all
      : all.filter(({ host, hypervisorHostname }) => host === onlyHost || hypervisorHostname === onlyHost)
  const unknownHost = ({ onlyHost }: PlaceRequest['spec'], hosts: readonly HostState[]): string | undefined =>
    onlyHost !== null && hosts.length === 0 ? `There is no host called ${onlyHost}.` : undefined
  const wantedBy = ({ projectId, groupId, spec }: PlaceRequest): Wanted => ({
    projectId,
    groupId,
    resources: spec.resources,
  })
  const tellWhy = (request: PlaceRequest, explanation: string, rejections: readonly Rejection[]): void =>
    log.in(import.meta).info('no valid host', {
      requestId: request.seed,
      server: request.consumerId,
      explanation,
      rejections: rejections.slice(0, 100),
    })

  async function placeOne(request: PlaceRequest): Promise<Placement> {
    const { task, consumerId, seed, spec } = request
    // Twice: first over what is remembered, then, where that failed, over what the rows say.
    for (const fresh of [false, true]) {
      if (fresh) states.expire()
      const snapshot = named(spec, await states.snapshot())
      const { hosts, rejections } = select(snapshot, await requestSpec(db, request, [consumerId]), options, seed)
      const lost: Rejection[] = []
      for (const host of hosts) {
        const result = await claim(db, task, wantedBy(request), { consumerId, host }, clock.now())
        if (result.outcome === 'already') return placed(result.host)
        if (result.outcome === 'full') {
          lost.push({ host: host.host, filter: LOST, reason: 'was filled by another request meanwhile' })
          continue
        }
        states.count(host.host, spec.resources, 1)
        return { placed: true, host: host.host, hypervisorHostname: host.hypervisorHostname, zone: host.zone }
      }
      if (!fresh) continue
      const [held] = await allocationsOf(db, consumerId)
      if (held !== undefined) return placed(held)
      const reasons = [...rejections, ...lost]
      const explanation = unknownHost(spec, snapshot) ?? explain(snapshot.length, reasons)
      tellWhy(request, explanation, reasons)
      return { placed: false, explanation, rejections: reasons }
    }
    throw new Error('unreachable: the second look always answers')
  }

  /** Claims for all servers of the reservation, or writes down why for none. */
  async function decide(request: PlaceRequest, reservation: string): Promise<void> {
    const { task, seed, spec } = request
    for (let look = 1; ; look++) {
      if (look > 1) states.expire()
      const servers = await serversToPlace(db, reservation)
      const snapshot = named(spec, await states.snapshot())
      const plan = await planTogether(snapshot, await requestSpec(db, request, servers), options, seed, servers)
      if (plan.choices) {
        const outcome = await claimTogether(db, task, reservation, wantedBy(request), plan.choices, clock.now())
        if (outcome === 'claimed') for (const { host } of plan.choices) states.count(host.host, spec.resources, 1)
        if (outcome !== 'full') return
      }
      if (look === 1 || (plan.choices && look < LOOKS_TOGETHER)) continue
      const explanation =
        unknownHost(spec, snapshot) ?? (plan.choices ? 'Other requests filled the hosts meanwhile.' : plan.explanation)
      tellWhy(request, explanation, plan.choices ? [] : plan.rejections)
      return refuseTogether(db, task, reservation, explanation, clock.now())
    }
  }

  /** By reservation: the servers of one ask at the same time, and one of them decides. */
  const deciding = new Map<string, Promise<void>>()
  async function placeTogether(request: PlaceRequest, reservation: string): Promise<Placement> {
    let decision = await findPlacement(db, reservation)
    while (!decision) {
      const other = deciding.get(reservation)
      const mine = other ?? decide(request, reservation).finally(() => deciding.delete(reservation))
      deciding.set(reservation, mine)
      try {
        await mine
      } catch (error) {
        // What another one's request failed of need not be true of ours.
        if (!other) throw error
      }
      decision = await findPlacement(db, reservation)
    }
    if (decision.explanation !== null) return { placed: false, explanation: decision.explanation, rejections: [] }
    const [held] = await allocationsOf(db, request.consumerId)
    // None: it was cancelled when the others were placed. What it gets now is given back by its undo.
    return held === undefined ? placeOne(request) : placed(held)
  }

  const stop = serve(
    scheduler,
    {
      place: (request) => (request.together === null ? placeOne(request) : placeTogether(request, request.together)),
      mayRun: async ({ host, imageProperties, extraSpecs }) => {
        const found = (await states.snapshot()).find((other) => other.host === host)
        if (!found) return `There is no host called ${host}.`
        const spec = { ...NO_REQUEST, imageProperties, extraSpecs }
        const rejection = rejectionOf(found, spec, {
          ...options,
          enabledFilters: options.enabledFilters.filter(onRebuild),
        })
        return rejection ? explain(1, [rejection]) : null
      },
      release: async ({ task, consumerId }) => {
        await release(db, task, consumerId)
        states.expire()
        return null
      },
    },
    bus,
    SCHEDULER,
  )
  return { close: stop }
}
