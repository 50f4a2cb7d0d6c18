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
import type { Base } from '../task/action.ts'
import type { Task } from '../task/journal.ts'
import { awaitJob, type JobEvents } from './await-job.ts'

export interface HostReach {
  readonly db: Kysely<Tables>
  readonly bus: Bus
  readonly clock: Clock
  readonly jobs: JobEvents
  readonly serviceDownMs: number
}

const VERB_TIMEOUT_MS = 120_000

export function hostVerbs(reach: HostReach, host: string, task: Task, base: Pick<Base<unknown>, 'key' | 'signal' | 'progress' | 'log'>): HostVerbs {
  const context: RequestContext = { requestId: task.requestId, userId: task.userId, projectId: task.projectId }
  const call = client(compute, reach.bus, computeTopic(host), context, VERB_TIMEOUT_MS)
  const fence = (verb: string): Fence => ({ serverId: task.serverId, key: `${base.key}/${verb}`, epoch: task.epoch })
  const { serverId } = task

  async function remove(verb: Removal): Promise<void> {
    const found = await findHost(reach.db, host)
    if (found && isUp(found, reach.clock.now(), reach.serviceDownMs)) return void (await call[verb]({ fence: fence(verb) }))
    base.log.warn('host is down, removal is owed', { host, verb })
    // A host that was deleted has nothing left to remove.
    if (found) await owe(reach.db, host, serverId, verb, task.epoch, reach.clock.now())
  }

  return {
    fetchImage: async (ticket) => {
      const job = fence('fetchImage')
      await awaitJob({
        jobs: reach.jobs,
        key: job.key,
        signal: base.signal,
        begin: async () => void (await call.startFetchImage({ fence: job, ticket })),
        status: () => call.jobStatus({ key: job.key }),
        cancel: async () => void (await call.cancelJob({ fence: fence('cancelFetchImage'), job: job.key })),
        progress: base.progress,
      })
    },
    createDisk: async (disk) => void (await call.createDisk({ fence: fence('createDisk'), disk })),
    createConfigDrive: async (configDrive) => void (await call.createConfigDrive({ fence: fence('createConfigDrive'), configDrive })),
    plug: async (ports) => void (await call.plug({ fence: fence('plug'), ports })),
    start: async (guest) => void (await call.start({ fence: fence('start'), guest })),
    shutdown: async () => void (await call.shutdown({ fence: fence('shutdown') })),
    powerOff: async () => void (await call.powerOff({ fence: fence('powerOff') })),
    powerState: () => call.powerState({ serverId }),
    destroy: () => remove('destroy'),
    unplug: () => remove('unplug'),
    removeFiles: () => remove('removeFiles'),
  }
}
