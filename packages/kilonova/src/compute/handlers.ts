/** What this host does for each method of the compute contract: the driver's verb behind the fence. */
import type { Log } from '@kilonova/base/log.ts'
import { unpackPorts, type compute, type Fence } from '../rpc/compute.ts'
import type { Handlers } from '../rpc/contract.ts'
import type { Driver } from '../virt/driver.ts'
import type { ConsoleRelay } from './console-relay.ts'
import type { Fencing } from './fencing.ts'
import type { Jobs } from './jobs.ts'

export interface Serving {
  readonly driver: Driver
  readonly fencing: Fencing
  readonly jobs: Jobs
  readonly consoles: ConsoleRelay
  readonly log: Log
}

export function handlers({ driver, fencing, jobs, consoles, log }: Serving): Handlers<typeof compute> {
  /** Runs a verb, which answers nothing; says what failed where it failed. */
  async function nothing(name: string, fence: Fence, requestId: string, work: () => Promise<void>): Promise<null> {
    const said = log.with({ requestId, server: fence.serverId })
    said.debug('verb asked', { verb: name, key: fence.key, epoch: fence.epoch })
    try {
      await fencing.run(name, fence, work)
      return null
    } catch (error) {
      said.warn('verb failed', { verb: name, key: fence.key, error })
      throw error
    }
  }

  return {
    startFetchImage: async ({ fence, ticket }) => {
      fencing.check(fence)
      jobs.start(fence.key, fence.epoch, (progress, signal) => driver.fetchImage(ticket, progress, signal))
      return null
    },
    startSnapshot: async ({ fence, snapshotId }) => {
      fencing.check(fence)
      jobs.start(fence.key, fence.epoch, (progress, signal) =>
        driver.snapshot(fence.serverId, snapshotId, progress, signal),
      )
      return null
    },
    startUploadSnapshot: async ({ fence, snapshotId, ticket }) => {
      fencing.check(fence)
      jobs.start(fence.key, fence.epoch, (progress, signal) =>
        driver.uploadSnapshot(fence.serverId, snapshotId, ticket, progress, signal),
      )
      return null
    },
    removeSnapshot: ({ fence, snapshotId }, { requestId }) =>
      nothing('removeSnapshot', fence, requestId, () => driver.removeSnapshot(fence.serverId, snapshotId)),
    startCacheImage: async ({ key, ticket }) => {
      jobs.start(key, 1, (progress, signal) => driver.fetchImage(ticket, progress, signal))
      return null
    },
    jobStatus: async ({ key }) => jobs.status(key),
    cancelJob: async ({ fence, job }) => {
      fencing.check(fence)
      await jobs.cancel(job, fence.epoch)
      return null
    },
    createDisk: ({ fence, disk }, { requestId }) =>
      nothing('createDisk', fence, requestId, () => driver.createDisk(disk)),
    createConfigDrive: ({ fence, configDrive }, { requestId }) =>
      nothing('createConfigDrive', fence, requestId, () => driver.createConfigDrive(configDrive)),
    setDisksAside: ({ fence }, { requestId }) =>
      nothing('setDisksAside', fence, requestId, () => driver.setDisksAside(fence.serverId)),
    takeDisksBack: ({ fence }, { requestId }) =>
      nothing('takeDisksBack', fence, requestId, () => driver.takeDisksBack(fence.serverId)),
    dropDisksAside: ({ fence }, { requestId }) =>
      nothing('dropDisksAside', fence, requestId, () => driver.dropDisksAside(fence.serverId)),
    createRescueDisk: ({ fence, disk }, { requestId }) =>
      nothing('createRescueDisk', fence, requestId, () => driver.createRescueDisk(disk)),
    removeRescueDisk: ({ fence }, { requestId }) =>
      nothing('removeRescueDisk', fence, requestId, () => driver.removeRescueDisk(fence.serverId)),
    removeFiles: ({ fence }, { requestId }) =>
      nothing('removeFiles', fence, requestId, () => driver.removeFiles(fence.serverId)),
    plug: ({ fence, ports }, { requestId }) =>
      nothing('plug', fence, requestId, () => driver.plug(fence.serverId, ports)),
    unplug: ({ fence }, { requestId }) => nothing('unplug', fence, requestId, () => driver.unplug(fence.serverId)),
    refreshPorts: async (packed) => {
      await driver.refreshPorts(unpackPorts(packed))
      return null
    },
    applyRouters: async ({ routers }) => {
      await driver.applyRouters(routers)
      return null
    },
    plugNic: ({ fence, guest, portId }, { requestId }) =>
      nothing('plugNic', fence, requestId, () => driver.plugNic(guest, portId)),
    startUnplugNic: async ({ fence, guest, portId }, { requestId }) => {
      fencing.check(fence)
      jobs.start(fence.key, fence.epoch, async (_progress, signal) => {
        await nothing('unplugNic', fence, requestId, () => driver.unplugNic(guest, portId, signal))
      })
      return null
    },
    start: ({ fence, guest }, { requestId }) => nothing('start', fence, requestId, () => driver.start(guest)),
    pause: ({ fence }, { requestId }) => nothing('pause', fence, requestId, () => driver.pause(fence.serverId)),
    unpause: ({ fence }, { requestId }) => nothing('unpause', fence, requestId, () => driver.unpause(fence.serverId)),
    startSuspend: async ({ fence }, { requestId }) => {
      fencing.check(fence)
      jobs.start(fence.key, fence.epoch, async (progress, signal) => {
        await nothing('suspend', fence, requestId, () => driver.suspend(fence.serverId, progress, signal))
      })
      return null
    },
    shutdown: ({ fence }, { requestId }) =>
      nothing('shutdown', fence, requestId, () => driver.shutdown(fence.serverId)),
    powerOff: ({ fence }, { requestId }) =>
      nothing('powerOff', fence, requestId, () => driver.powerOff(fence.serverId)),
    destroy: ({ fence }, { requestId }) => nothing('destroy', fence, requestId, () => driver.destroy(fence.serverId)),
    powerState: ({ serverId }) => driver.powerState(serverId),
    missesBase: ({ serverId }) => driver.missesBase(serverId),
    injectNmi: ({ serverId }) => driver.injectNmi(serverId),
    setPassword: ({ serverId, user, password }) => driver.setPassword(serverId, user, password),
    diagnostics: async ({ serverId }) => {
      const seen = await driver.diagnostics(serverId)
      return seen
        ? {
            ...seen,
            memoryDetails: { ...seen.memoryDetails },
            cpus: [...seen.cpus],
            disks: [...seen.disks],
            nics: [...seen.nics],
          }
        : null
    },
    guestNics: async ({ serverId }) => [...(await driver.guestNics(serverId))],
    consoleOutput: ({ serverId, maxBytes }) => driver.consoleOutput(serverId, maxBytes),
    consoles: async ({ serverId }) => [...(await driver.consoles(serverId))],
    openConsole: ({ serverId, kind }) => consoles.open(serverId, kind),
  }
}
