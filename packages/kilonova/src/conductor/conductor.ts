/** The conductor: leases tasks and runs them, takes up what a dead one left, and answers computes. The only one that orchestrates. */
import { newId, type Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Kysely } from 'kysely'
import type { GuestData, Reach, ServerAction } from '../actions/define.ts'
import type { Glance } from '../clients/glance.ts'
import type { Neutron } from '../clients/neutron.ts'
import { pruneEvents } from '../db/events.ts'
import {
  setAddresses,
  setPinnedZone,
  setPlace,
  setRebuilt,
  setRequestedNics,
  setRescue,
  setShelved,
} from '../db/server-columns.ts'
import { releaseLeasesOf } from '../db/tasks.ts'
import type { Tables } from '../db/tables.ts'
import type { Bus } from '../rpc/bus.ts'
import { compute, computeTopic, HOST_EVENTS, hostEvent } from '../rpc/compute.ts'
import { IMAGE_CACHING, imageCaching, SERVER_EVENT, TASK_ADMITTED, TASK_CANCELLED } from '../rpc/conductor.ts'
import { client, serve } from '../rpc/contract.ts'
import { scheduler, SCHEDULER } from '../rpc/scheduler.ts'
import type { KillPoints } from '../task/kill-points.ts'
import type { Runner } from '../task/runner.ts'
import { answerComputes } from './answer-computes.ts'
import { cacheImages } from './cache-images.ts'
import { hostVerbs } from './host-verbs.ts'
import type { ImageRelay } from './image-relay.ts'
import { leases } from './leases.ts'
import { powerAfterTask, powerChanged, type PowerReach } from './power.ts'
import { runningTasks } from './running-tasks.ts'
import { signals } from './signals.ts'
import { taskStore, whileHeld } from './task-store.ts'

export interface ConductorOptions {
  /** Of this daemon, the same after a restart: what an earlier one of this name had leased is taken over at once. */
  readonly name: string
  readonly leaseMs: number
  readonly pollMs: number
  readonly maxRunning: number
  readonly serviceDownMs: number
  readonly defaultZone: string
  readonly shutdownTimeoutSeconds: number
  readonly softRebootTimeoutSeconds: number
  readonly retryTries: number
  readonly retryFirstDelayMs: number
  readonly maxBackOffMs: number
  /** `[image_cache] precache_concurrency`; default 1. */
  readonly imageCacheConcurrency?: number
  /** How long a host has to answer to a verb; default 2 minutes. */
  readonly verbTimeoutMs?: number
  /** How long the scheduler has to answer; default a minute. */
  readonly placeTimeoutMs?: number
}

export interface ConductorReach {
  readonly actions: Readonly<Record<string, ServerAction>>
  readonly db: Kysely<Tables>
  readonly bus: Bus
  readonly neutron: Neutron
  readonly glance: Glance
  readonly images: ImageRelay
  readonly guestData: GuestData
  readonly clock: Clock
  readonly log: Log
  readonly kills: KillPoints
}

const NOBODY = { requestId: '-', userId: '-', projectId: '-' }
const EVENTS_KEPT_MS = 3600_000

export async function startConductor(
  reach: ConductorReach,
  options: ConductorOptions,
): Promise<{ close(): Promise<void> }> {
  const { db, bus, clock, log, actions } = reach
  const jobs = signals()
  const serverEvents = signals()
  const lease = leases(db, clock, `${options.name}/${newId()}`, options.leaseMs)
  const quietly = (work: Promise<void>, what: string): void =>
    void work.catch((error: unknown) => log.error(what, { error }))
  let closing = false
  let backlog = false

  const power: PowerReach = {
    db,
    clock,
    log,
    ask: (host, serverId) => client(compute, bus, computeTopic(host), NOBODY, 10_000).powerState({ serverId }),
  }
  const store = taskStore(db, clock, {
    taskReady: (id) => bus.publish(TASK_ADMITTED, { taskId: id }),
    taskEnded: (serverId) => {
      bus.publish(SERVER_EVENT, { serverId })
      if (!closing) quietly(powerAfterTask(power, serverId), 'power after a task not followed')
    },
    onServerEvent: serverEvents.on,
  })
  const place = client(scheduler, bus, SCHEDULER, NOBODY, options.placeTimeoutMs)
  const runner: Runner<Reach> = {
    store,
    clock,
    log: log.in(import.meta),
    kills: reach.kills,
    removesAll: (name) => actions[name]?.removesAll === true,
    retryTries: options.retryTries,
    retryFirstDelayMs: options.retryFirstDelayMs,
    maxBackOffMs: options.maxBackOffMs,
    reach: (task, base) => ({
      requestId: task.requestId,
      clock,
      hostAt: (host) => hostVerbs({ db, bus, clock, jobs, ...options }, host, task, base),
      scheduler: {
        place: (request) => place.place({ ...request, task: { id: task.id, epoch: task.epoch } }),
        release: (request) => place.release({ ...request, task: { id: task.id, epoch: task.epoch } }),
        mayRun: (request) => place.mayRun(request),
      },
      neutron: reach.neutron,
      glance: reach.glance,
      imageTicket: (imageId) => reach.images.ticket(imageId, task.id),
      uploadTicket: (imageId) => reach.images.uploadTicket(imageId, task.id),
      rows: {
        place: (where) =>
          whileHeld(db, task, (tx) =>
            setPlace(
              tx,
              task.serverId,
              where ?? { host: null, hypervisorHostname: null, availabilityZone: base.server.availabilityZone },
            ),
          ),
        rebuilt: (server) => whileHeld(db, task, (tx) => setRebuilt(tx, task.serverId, server, clock.now())),
        rescue: (rescue) => whileHeld(db, task, (tx) => setRescue(tx, task.serverId, rescue)),
        pinnedZone: (zone) => whileHeld(db, task, (tx) => setPinnedZone(tx, task.serverId, zone)),
        shelved: (shelved) => whileHeld(db, task, (tx) => setShelved(tx, task.serverId, shelved)),
        nics: (nics) => whileHeld(db, task, (tx) => setRequestedNics(tx, task.serverId, nics)),
        addresses: (addresses) => whileHeld(db, task, (tx) => setAddresses(tx, task.serverId, addresses)),
      },
      guestData: reach.guestData,
      options,
    }),
  }

  const running = runningTasks({
    runner,
    actions,
    lease,
    clock,
    onEnd: () => {
      if (backlog && !closing) quietly(takeDue(), 'due tasks not taken')
    },
  })

  /** One look at a time: two would read the same rows and each believe that the other's are all there is. */
  let looking: Promise<void> | undefined
  const takeDue = (): Promise<void> => (looking ??= look().finally(() => (looking = undefined)))

  async function look(): Promise<void> {
    const room = options.maxRunning - running.size
    if (room <= 0 || closing) return
    const tasks = await lease.takeDue(room)
    backlog = tasks.length === room
    tasks.forEach(running.begin)
  }

  async function take(taskId: string): Promise<void> {
    if (closing || running.has(taskId)) return
    if (running.size >= options.maxRunning) return void (backlog = true)
    const task = await lease.take(taskId)
    if (task) running.begin(task)
  }

  async function poll(): Promise<void> {
    await running.renew()
    await takeDue()
  }

  const stops = [
    bus.subscribe(TASK_ADMITTED, (event) => quietly(take((event as { taskId: string }).taskId), 'task not taken')),
    bus.subscribe(TASK_CANCELLED, (event) => {
      const { taskId, by } = event as { taskId: string; by: string }
      // One that waits for another try is undone now.
      if (!running.cancel(taskId, by)) quietly(take(taskId), 'cancelled task not taken')
    }),
    bus.subscribe(SERVER_EVENT, (event) => serverEvents.wake((event as { serverId: string }).serverId)),
    bus.subscribe(HOST_EVENTS, (message) => {
      const event = hostEvent.parse(message)
      if (event.kind === 'job') return jobs.wake(event.key)
      if (event.kind !== 'power') return
      quietly(
        powerChanged({ ...power, serverEvent: serverEvents.wake }, event.host, event.serverId, event.powerState),
        'power change not followed',
      )
    }),
  ]
  const stopAnswering = answerComputes({ ...power, bus, defaultZone: options.defaultZone })
  const caching = new AbortController()
  const stopCaching = serve(
    imageCaching,
    {
      cacheImages: async (request, context) => {
        const cached = cacheImages(
          { bus, jobs, images: reach.images, log: log.in(import.meta) },
          request,
          context,
          options.imageCacheConcurrency ?? 1,
          caching.signal,
        )
        quietly(cached, 'images not cached')
        return null
      },
    },
    bus,
    IMAGE_CACHING,
  )

  await releaseLeasesOf(db, options.name)
  await takeDue()
  /** One poll at a time: on a slow database they would pile up. */
  let polling: Promise<void> | undefined
  const timer = setInterval(
    () =>
      (polling ??= poll()
        .catch((error: unknown) => log.error('leases not renewed', { error }))
        .finally(() => (polling = undefined))),
    options.pollMs,
  )
  const pruner = setInterval(
    () => quietly(pruneEvents(db, clock.now() - EVENTS_KEPT_MS), 'old events not removed'),
    EVENTS_KEPT_MS / 4,
  )

  return {
    /** Lets go of what runs: it is taken up again where it stands. */
    close: async () => {
      closing = true
      caching.abort()
      clearInterval(timer)
      clearInterval(pruner)
      for (const stop of stops) stop()
      await polling
      await Promise.all([stopAnswering(), stopCaching()])
      await running.close()
      await lease.releaseAll().catch((error: unknown) => log.warn('leases not released', { error }))
    },
  }
}
