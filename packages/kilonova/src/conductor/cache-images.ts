/**
 * Brings images to hosts before anybody needs them: the same fetch as a server's, by a ticket of its own. So many hosts at once as
 * `[image_cache] precache_concurrency` says; a host that fails is a line of the log. Nothing is kept of it: who asked asks again.
 */
import { newId } from '@kilonova/base/clock.ts'
import type { RequestContext } from '@kilonova/base/context.ts'
import type { Log } from '@kilonova/base/log.ts'
import { compute, computeTopic } from '../rpc/compute.ts'
import { client } from '../rpc/contract.ts'
import type { Bus } from '../rpc/bus.ts'
import { awaitJob, type JobEvents } from './await-job.ts'
import type { ImageRelay } from './image-relay.ts'

export interface CacheImagesReach {
  readonly bus: Bus
  readonly jobs: JobEvents
  readonly images: Pick<ImageRelay, 'ticket'>
  readonly log: Log
}
export interface CacheRequest {
  readonly hosts: readonly string[]
  readonly imageIds: readonly string[]
}

const VERB_TIMEOUT_MS = 30_000

/** Returns when all hosts had their turn. */
export async function cacheImages(
  reach: CacheImagesReach,
  { hosts, imageIds }: CacheRequest,
  context: RequestContext,
  concurrency: number,
  signal: AbortSignal,
): Promise<void> {
  const queue = [...hosts]
  const worker = async (): Promise<void> => {
    for (let host = queue.shift(); host !== undefined && !signal.aborted; host = queue.shift())
      for (const imageId of imageIds) if (!signal.aborted) await cacheOne(reach, host, imageId, context, signal)
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, hosts.length) }, worker))
}

async function cacheOne(
  { bus, jobs, images, log }: CacheImagesReach,
  host: string,
  imageId: string,
  context: RequestContext,
  signal: AbortSignal,
): Promise<void> {
  const said = log.with({ requestId: context.requestId, host, image: imageId })
  const key = `cache/${newId()}`
  const verbs = client(compute, bus, computeTopic(host), context, VERB_TIMEOUT_MS)
  try {
    const ticket = await images.ticket(imageId, key)
    await awaitJob({
      jobs,
      key,
      signal,
      // What the host has begun it may as well end.
      abandons: () => true,
      begin: async () => void (await verbs.startCacheImage({ key, ticket })),
      status: () => verbs.jobStatus({ key }),
      cancel: async () => undefined,
      progress: () => undefined,
    })
    said.info('image is cached')
  } catch (error) {
    if (!signal.aborted) said.warn('image not cached', { error })
  }
}
