/** What the scheduler does when asked: place a server and claim its resources. Topic `scheduler`. */
import { z } from 'zod'
import { method } from './contract.ts'

export const SCHEDULER = 'scheduler'

const resources = z.strictObject({ vcpus: z.int(), memoryMb: z.int(), diskGb: z.int() })
/** Whose claim it is: refused when the task is over, or its conductor lost it. */
const task = z.strictObject({ id: z.string(), epoch: z.int() })
export const placeRequest = z.strictObject({
  task,
  consumerId: z.string(),
  projectId: z.string(),
  seed: z.string(),
  /** The server group that it joins. */
  groupId: z.string().nullable(),
  /** The reservation whose servers are all placed with this one, or none of them. */
  together: z.string().nullable(),
  spec: z.strictObject({
    resources,
    zone: z.string().nullable(),
    onlyHost: z.string().nullable(),
    /** The named host is asked for room and life alone. */
    forced: z.boolean(),
    /** As the user gave them. */
    hints: z.record(z.string(), z.unknown()),
    imageProperties: z.record(z.string(), z.string()),
    /** Of the flavor. */
    extraSpecs: z.record(z.string(), z.string()).default({}),
  }),
})
export type PlaceRequest = z.output<typeof placeRequest>

/** Either a claimed host, or why there is none. */
export const placement = z.discriminatedUnion('placed', [
  z.strictObject({ placed: z.literal(true), host: z.string(), hypervisorHostname: z.string(), zone: z.string() }),
  z.strictObject({
    placed: z.literal(false),
    explanation: z.string(),
    rejections: z.array(z.strictObject({ host: z.string(), filter: z.string(), reason: z.string() })),
  }),
])
export type Placement = z.output<typeof placement>

export const scheduler = {
  /** Claims exactly once per consumer: a repeated request is answered with the claim there is. Whoever of a reservation asks first has them all decided. */
  place: method(placeRequest, placement),
  /** Whether a host that a server lives on can run another image: null, or why not. */
  mayRun: method(
    z.strictObject({
      host: z.string(),
      imageProperties: z.record(z.string(), z.string()),
      extraSpecs: z.record(z.string(), z.string()).default({}),
    }),
    z.string().nullable(),
  ),
  /** Gives back all that the consumer claimed. */
  release: method(z.strictObject({ task, consumerId: z.string() }), z.null()),
}
export type SchedulerContract = typeof scheduler
