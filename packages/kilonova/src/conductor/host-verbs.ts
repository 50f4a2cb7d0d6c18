/** A host's verbs as a step calls them: fenced by the task's epoch. A removal on a host that is down is owed, and the step goes on. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { RequestContext } from '@kilonova/base/context.ts'
import type { Kysely } from 'kysely'
import type { HostVerbs } from '../actions/define.ts'
import { findHost, isUp } from '../db/hosts.ts'
import { owe, type Removal } from '../db/owed.ts'
import type { Tables } from '../db/tables.ts'
import type { Bus } from '../rpc/bus.ts'
import { client } from '../rpc/contract.ts'
import { compute, computeTopic, type Fence } from '../rpc/compute.ts'
import { PORTS_PLUGGED } from '../rpc/conductor.ts'
import type { Base } from '../task/action.ts'
import type { PortFacts } from '../virt/driver.ts'
import { FencedError, type Task } from '../task/journal.ts'
import { awaitJob, type JobEvents } from './await-job.ts'
import { whileHeld } from './task-store.ts'

export interface HostReach {
  readonly db: Kysely<Tables>
  readonly bus: Bus
  readonly clock: Clock
  readonly jobs: JobEvents
  readonly serviceDownMs: number
  readonly verbTimeoutMs?: number
}

const VERB_TIMEOUT_MS = 120_000

export function hostVerbs(
  reach: HostReach,
  host: string,
  task: Task,
  base: Pick<Base<unknown>, 'key' | 'signal' | 'progress' | 'log'>,
): HostVerbs {
  const context: RequestContext = { requestId: task.requestId, userId: task.userId, projectId: task.projectId }
  const call = client(
    compute,
    cutShort(reach.bus, base.signal),
    computeTopic(host),
    context,
    reach.verbTimeoutMs ?? VERB_TIMEOUT_MS,
  )
  const fence = (verb: string): Fence => ({ serverId: task.serverId, key: `${base.key}/${verb}`, epoch: task.epoch })
  const { serverId } = task
  let presses = 0
  const plugged = (ports: readonly PortFacts[]): void => {
    if (ports.length > 0) reach.bus.publish(PORTS_PLUGGED, { ports: ports.map(({ portId }) => portId) })
  }

  async function remove(verb: Removal): Promise<void> {
    const found = await findHost(reach.db, host)
    if (found && isUp(found, reach.clock.now(), reach.serviceDownMs))
      return void (await call[verb]({ fence: fence(verb) }))
    base.log.warn('host is down, removal is owed', { host, verb })
    // A host that was deleted has nothing left to remove.
    if (found) await whileHeld(reach.db, task, (tx) => owe(tx, host, serverId, verb, task.epoch, reach.clock.now()))
  }

  /** A long verb; the last is from and to which percentage it moves the task's progress. */
  async function long(
    verb: string,
    begin: (job: Fence) => Promise<unknown>,
    [from, to]: readonly [number, number] = [0, 100],
  ): Promise<void> {
    const job = fence(verb)
    const uncut = client(compute, reach.bus, computeTopic(host), context, reach.verbTimeoutMs ?? VERB_TIMEOUT_MS)
    await awaitJob({
      jobs: reach.jobs,
      key: job.key,
      signal: base.signal,
      // Let go of, it goes on: whoever has the task next waits for it by its key.
      abandons: (reason) => reason instanceof FencedError,
      begin: async () => void (await begin(job)),
      status: () => call.jobStatus({ key: job.key }),
      cancel: async () => void (await uncut.cancelJob({ fence: fence(`cancel/${verb}`), job: job.key })),
      progress: (percent) => base.progress(from + (percent * (to - from)) / 100),
    })
  }

  return {
    fetchImage: (ticket) => long('fetchImage', (job) => call.startFetchImage({ fence: job, ticket })),
    snapshot: (snapshotId) => long('snapshot', (job) => call.startSnapshot({ fence: job, snapshotId }), [0, 50]),
    uploadSnapshot: (snapshotId, ticket) =>
      long('uploadSnapshot', (job) => call.startUploadSnapshot({ fence: job, snapshotId, ticket }), [50, 100]),
    removeSnapshot: async (snapshotId) =>
      void (await call.removeSnapshot({ fence: fence('removeSnapshot'), snapshotId })),
    suspend: () => long('suspend', (job) => call.startSuspend({ fence: job })),
    pause: async () => void (await call.pause({ fence: fence('pause') })),
    unpause: async () => void (await call.unpause({ fence: fence('unpause') })),
    setDisksAside: async () => void (await call.setDisksAside({ fence: fence('setDisksAside') })),
    takeDisksBack: async () => void (await call.takeDisksBack({ fence: fence('takeDisksBack') })),
    dropDisksAside: async () => void (await call.dropDisksAside({ fence: fence('dropDisksAside') })),
    createRescueDisk: async (disk) => void (await call.createRescueDisk({ fence: fence('createRescueDisk'), disk })),
    removeRescueDisk: async () => void (await call.removeRescueDisk({ fence: fence('removeRescueDisk') })),
    createDisk: async (disk) => void (await call.createDisk({ fence: fence('createDisk'), disk })),
    createConfigDrive: async (configDrive) =>
      void (await call.createConfigDrive({ fence: fence('createConfigDrive'), configDrive })),
    plug: async (ports) => {
      await call.plug({ fence: fence('plug'), ports })
      plugged(ports)
    },
    plugNic: async (guest, portId) => {
      await call.plugNic({ fence: fence('plugNic'), guest, portId })
      plugged(guest.ports)
    },
    unplugNic: (guest, portId) => long('unplugNic', (job) => call.startUnplugNic({ fence: job, guest, portId })),
    start: async (guest) => {
      await call.start({ fence: fence('start'), guest })
      plugged(guest.ports)
    },
    // Each press is one of its own: a repeated key would only be answered from what is kept.
    shutdown: async () => void (await call.shutdown({ fence: fence(`shutdown-${++presses}`) })),
    powerOff: async () => void (await call.powerOff({ fence: fence('powerOff') })),
    switchOff: () => remove('powerOff'),
    missesBase: () => call.missesBase({ serverId }),
    powerState: () => call.powerState({ serverId }),
    destroy: () => remove('destroy'),
    destroyNow: async () => void (await call.destroy({ fence: fence('destroyNow') })),
    unplug: () => remove('unplug'),
    removeFiles: () => remove('removeFiles'),
  }
}

/** Calls that are given up when the signal is aborted. What they asked for may still happen: the next epoch keeps it out. */
function cutShort(bus: Bus, signal: AbortSignal): Pick<Bus, 'call'> {
  return {
    call: async (call) => {
      signal.throwIfAborted()
      const { promise, reject } = Promise.withResolvers<never>()
      const cut = () => reject(signal.reason)
      signal.addEventListener('abort', cut)
      try {
        return await Promise.race([bus.call(call), promise])
      } finally {
        signal.removeEventListener('abort', cut)
      }
    },
  }
}
