/** The scheduler daemon: looks at its host states, ranks, and claims the best host that is still free. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Kysely } from 'kysely'
import { allocationsOf } from '../db/allocations.ts'
import { allHosts } from '../db/hosts.ts'
import type { Tables } from '../db/tables.ts'
import type { Bus } from '../rpc/bus.ts'
import { serve } from '../rpc/contract.ts'
import { scheduler, SCHEDULER, type PlaceRequest, type Placement } from '../rpc/scheduler.ts'
import { FILTERS } from '../scheduler/filters/index.ts'
import type { SchedulerOptions } from '../scheduler/host-state.ts'
import { explain, LOST, select, type Rejection } from '../scheduler/select.ts'
import { claim, release } from './claim.ts'
import { hostStates, type CapacityOptions } from './host-states.ts'

export interface SchedulerDaemon {
  readonly db: Kysely<Tables>
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly options: SchedulerOptions & CapacityOptions
}

const MAX_AGE_MS = 2_000

export function startScheduler({ db, bus, clock, log, options }: SchedulerDaemon): { close(): Promise<void> } {
  const unknown = options.enabledFilters.filter((name) => !(name in FILTERS))
  if (unknown.length > 0)
    throw new Error(`[filter_scheduler] enabled_filters names filters that do not exist: ${unknown.join(', ')}`)
  const states = hostStates(db, clock, options, MAX_AGE_MS)

  async function placed(host: string): Promise<Placement> {
    const found = (await allHosts(db)).find((other) => other.host === host)
    return {
      placed: true,
      host,
      hypervisorHostname: found?.hypervisorHostname ?? host,
      zone: found?.availabilityZone ?? '',
    }
  }

  async function place({ task, consumerId, projectId, seed, spec }: PlaceRequest): Promise<Placement> {
    // Twice: first over what is remembered, then, where that failed, over what the rows say.
    for (const fresh of [false, true]) {
      if (fresh) states.expire()
      const all = await states.snapshot()
      const snapshot =
        spec.onlyHost === null
          ? all
          : all.filter(({ host, hypervisorHostname }) => host === spec.onlyHost || hypervisorHostname === spec.onlyHost)
      const { hosts, rejections } = select(snapshot, spec, options, seed)
      const lost: Rejection[] = []
      for (const host of hosts) {
        const result = await claim(db, task, consumerId, projectId, host, spec.resources, clock.now())
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
      const explanation =
        spec.onlyHost !== null && snapshot.length === 0
          ? `There is no host called ${spec.onlyHost}.`
          : explain(snapshot.length, reasons)
      log
        .in(import.meta)
        .info('no valid host', { requestId: seed, server: consumerId, explanation, rejections: reasons.slice(0, 100) })
      return { placed: false, explanation, rejections: reasons }
    }
    throw new Error('unreachable: the second look always answers')
  }

  const stop = serve(
    scheduler,
    {
      place: (request) => place(request),
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
