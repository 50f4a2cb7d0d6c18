/** What every part of the image service works with. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import { mustWrite, privileged, type Caller } from '../openstack/caller.ts'
import type { TokenCheck } from '../openstack/token-check.ts'
import type { Content, Received } from './content.ts'
import { noImage, notYours } from './errors.ts'
import type { ImageQuota } from './quota.ts'
import { findImage, type Image, type ImageDatabase } from './store/images.ts'
import type { Resolve, WebSources } from './web-source.ts'

export interface ImageContext {
  readonly database: ImageDatabase
  readonly content: Content
  readonly check: TokenCheck
  readonly log: Log
  readonly clock: Clock
  readonly quota: ImageQuota
  readonly webSources: WebSources
  readonly resolve: Resolve
  /** Bytes that were sent ahead of their import, by image. */
  readonly staged: Map<string, Staged>
}

export interface Staged {
  readonly owner: string
  readonly received: Received
}

/** Errors: 404, also for an image that is somebody else's. */
export async function visibleImage({ database }: ImageContext, caller: Caller, id: string): Promise<Image> {
  const image = await findImage(database, caller, id)
  if (!image) throw noImage(id)
  return image
}

/** Errors: 404, 403 for one that can be seen but not changed. */
export async function changeableImage(ctx: ImageContext, caller: Caller, id: string): Promise<Image> {
  mustWrite(caller)
  const image = await visibleImage(ctx, caller, id)
  if (image.owner !== caller.projectId && !privileged(caller)) throw notYours()
  return image
}

/** Throws away what was sent ahead of an import that will not come. */
export async function unstage({ staged, content }: ImageContext, id: string): Promise<void> {
  const bytes = staged.get(id)
  staged.delete(id)
  if (bytes) await content.discard(bytes.received)
}
