/** What computes may ask of the conductor (they have no database). Topic `conductor`. */
import { z } from 'zod'
import { POWER_STATES } from '../domain/states.ts'
import { HOST_FEATURES } from '../domain/hardware/demands.ts'
import type { HostReport } from '../domain/host.ts'
import { method } from './contract.ts'

export const CONDUCTOR = 'conductor'
/** Published when a task was admitted, so that nobody waits for the next poll: `{ taskId }`. */
export const TASK_ADMITTED = 'task-admitted'
/** Published when a task was asked to undo itself: `{ taskId, by }`. */
export const TASK_CANCELLED = 'task-cancelled'
/** Published when an event row was written that a task may wait for, and when a task ended: `{ serverId }`. */
export const SERVER_EVENT = 'server-event'
/** Published when a host was given facts of ports that may be old by then: `{ ports: [ids] }`. */
export const PORTS_PLUGGED = 'ports-plugged'

const report = z.strictObject({
  host: z.string(),
  hypervisorHostname: z.string(),
  hypervisorType: z.string(),
  hypervisorVersion: z.int(),
  hostIp: z.string(),
  vcpus: z.int(),
  memoryMb: z.int(),
  diskGb: z.number(),
  diskFreeGb: z.number(),
  cpuInfo: z.strictObject({
    arch: z.string(),
    model: z.string(),
    vendor: z.string(),
    features: z.array(z.string()),
    topology: z.record(z.string(), z.number()),
  }),
  supportedInstances: z.array(z.tuple([z.string(), z.string(), z.string()])),
  runningServers: z.int(),
  uptimeSeconds: z.number(),
  /** Came later. */
  hardware: z
    .strictObject({
      features: z.array(z.enum(HOST_FEATURES)),
      hugePages: z.array(z.strictObject({ sizeKib: z.int(), free: z.int() })),
    })
    .optional(),
}) satisfies z.ZodType<HostReport>

export const conductor = {
  /** A host says that it is alive and what it has. */
  reportHost: method(z.strictObject({ report }), z.null()),
  /** Removals that the host still owes: it settles them before it serves anything. */
  owedBy: method(
    z.strictObject({ host: z.string() }),
    z.array(
      z.strictObject({
        id: z.string(),
        serverId: z.string(),
        verb: z.enum(['powerOff', 'destroy', 'unplug', 'removeFiles']),
        epoch: z.int(),
      }),
    ),
  ),
  settled: method(z.strictObject({ id: z.string() }), z.null()),
  /**
   * What the host saw of its guests. The answer: those that are over, because their server was deleted or lives on another host. A guest
   * of a server that is not known at all is never among them: the database may be an older one.
   */
  syncPower: method(
    z.strictObject({
      host: z.string(),
      guests: z.array(z.strictObject({ serverId: z.string(), powerState: z.enum(POWER_STATES) })),
    }),
    z.array(z.string()),
  ),
}
export type ConductorContract = typeof conductor

export const IMAGE_CACHING = 'image-caching'
/** What the API asks of a conductor, on a topic of its own. */
export const imageCaching = {
  /** Bring these images to the caches of these hosts. Answered when it has begun. */
  cacheImages: method(z.strictObject({ hosts: z.array(z.string()), imageIds: z.array(z.string()) }), z.null()),
}
