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
  spec: z.strictObject({
    resources,
    zone: z.string().nullable(),
    onlyHost: z.string().nullable(),
    imageProperties: z.record(z.string(), z.string()),
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
  /** Claims exactly once per consumer: a repeated request is answered with the claim there is. */
  place: method(placeRequest, placement),
  /** Gives back all that the consumer claimed. */
  release: method(z.strictObject({ task, consumerId: z.string() }), z.null()),
}
export type SchedulerContract = typeof scheduler
