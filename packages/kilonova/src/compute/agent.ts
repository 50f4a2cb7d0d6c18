/**
 * The agent of one host: it settles what is owed, serves the driver's verbs behind the fence, reports the host and its events.
 * It holds no database and no credentials; all it knows that matters after a restart is in the hypervisor and the fence store.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '@kilonova/base/clock.ts'
import { newRequestId } from '@kilonova/base/context.ts'
import type { CertificateFiles } from '@kilonova/base/http/tls.ts'
import type { Log } from '@kilonova/base/log.ts'
import { retry } from '@kilonova/base/retry.ts'
import type { Bus } from '../rpc/bus.ts'
import { compute, computeTopic, HOST_EVENTS, type HostEvent } from '../rpc/compute.ts'
import { conductor as conductorContract, CONDUCTOR } from '../rpc/conductor.ts'
import { client, serve } from '../rpc/contract.ts'
import type { Driver } from '../virt/driver.ts'
import { consoleRelay } from './console-relay.ts'
import type { FenceStore } from './fence-store.ts'
import { fencing } from './fencing.ts'
import { handlers } from './handlers.ts'
import { jobs } from './jobs.ts'
import { settleOwed } from './owed.ts'
import { imageCache } from './periodic/image-cache.ts'
import { powerSync } from './periodic/power-sync.ts'
import { reportHost } from './periodic/report-host.ts'
import { runPeriodic } from '@kilonova/base/run-periodic.ts'
import { staleGuests, type StaleOptions } from './periodic/stale-guests.ts'

export interface ComputeOptions {
  readonly host: string
  readonly driver: Driver
  readonly bus: Bus
  readonly fences: FenceStore
  readonly log: Log
  readonly clock: Clock
  /** `report_interval`. */
  readonly reportIntervalMs: number
  /** `sync_power_state_interval`; default 10 minutes, as upstream. */
  readonly syncPowerIntervalMs?: number
  /** `[image_cache] manager_interval`; default 40 minutes. */
  readonly imageCacheIntervalMs?: number
  /** `[image_cache] remove_unused_original_minimum_age_seconds`; default a day. */
  readonly unusedImageAgeSeconds?: number
  /** What becomes of guests that are over; default: they are removed when two sweeps said so. */
  readonly staleGuests?: StaleOptions
  /** Verbs under way at once on this host; more wait. Default 16. */
  readonly maxParallelVerbs?: number
  /** The address at which console proxies reach this host; default loopback. */
  readonly consoleHost?: string
  /** With it they do so by TLS. */
  readonly tls?: CertificateFiles
}

export interface Compute {
  close(): Promise<void>
}

/** The conductor answers small questions: one that takes longer is asked again by the next beat. */
const CONDUCTOR_TIMEOUT_MS = 10_000
/** A stop waits so long for verbs under way. */
const CLOSE_TIMEOUT_MS = 5_000

/** Returns when the host serves. Waits for a conductor as long as there is none. */
export async function startCompute(options: ComputeOptions): Promise<Compute> {
  const { host, driver, bus, fences, clock } = options
  const log = options.log.in(import.meta).with({ host })
  const context = { requestId: newRequestId(), userId: '', projectId: '' }
  const conductor = client(conductorContract, bus, CONDUCTOR, context, CONDUCTOR_TIMEOUT_MS)
  const publish = (event: HostEvent): void => bus.publish(HOST_EVENTS, event)
  const fence = fencing(fences, options.maxParallelVerbs ?? 16)
  const longVerbs = jobs((job) => publish({ kind: 'job', host, ...job }))
  const consoles = consoleRelay({
    host: options.consoleHost ?? '127.0.0.1',
    driver,
    clock,
    log,
    ...(options.tls ? { tls: options.tls } : {}),
  })
  const owed = { host, driver, fencing: fence, conductor, log }

  await retry(() => settleOwed(owed), {
    tries: Number.POSITIVE_INFINITY,
    firstDelayMs: 50,
    maxDelayMs: 5_000,
    transient: (error) => {
      log.warn('the conductor does not answer yet', { error })
      return true
    },
  })

  const stopListening = driver.onPowerChange((change) => publish({ kind: 'power', host, ...change, at: clock.now() }))
  const stopServing = serve(
    compute,
    handlers({ driver, fencing: fence, jobs: longVerbs, consoles, log }),
    bus,
    computeTopic(host),
  )

  const stale = staleGuests(driver, fence.isBusy, { clock, log }, options.staleGuests ?? { action: 'reap', afterMs: 0 })
  const report = reportHost(driver, conductor, options.reportIntervalMs)
  const sync = powerSync({ host, driver, conductor, staleGuests: stale }, options.syncPowerIntervalMs ?? 600_000)
  // At once too: the scheduler waits for the first, and guests may have changed while nobody watched.
  for (const task of [report, sync])
    await task.run().catch((error: unknown) => log.warn('first run failed', { task: task.name, error }))
  const stopPeriodic = runPeriodic(
    [
      report,
      sync,
      imageCache(driver, options.unusedImageAgeSeconds ?? 86_400, log, options.imageCacheIntervalMs ?? 2_400_000),
      { name: 'owed', every: 60_000, run: () => settleOwed(owed) },
    ],
    log,
  )
  publish({ kind: 'started', host })
  log.info('compute host serves', { driver: driver.kind })

  return {
    close: async () => {
      await stopServing()
      stopListening()
      await consoles.close()
      const limit = new AbortController()
      const late = delay(CLOSE_TIMEOUT_MS, undefined, { signal: limit.signal, ref: false }).catch(() => {})
      // A verb that takes longer is taken up again by whoever asked for it.
      await Promise.race([Promise.all([stopPeriodic(), longVerbs.close(), fence.idle()]), late])
      limit.abort()
    },
  }
}
