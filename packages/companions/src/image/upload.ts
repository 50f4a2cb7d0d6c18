/** How an image gets its bytes, whoever sends them: received beside, looked into, within the owner's quota, and put in place at once. */
import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { Kysely } from 'kysely'
import { badRequest, conflict, Fault } from '../openstack/fault.ts'
import type { Received } from './content.ts'
import type { ImageContext } from './context.ts'
import { bytesLeft, mustFit } from './quota.ts'
import type { Image } from './store/images.ts'
import type { ImageTables } from './store/tables.ts'
import { abandonUpload, beginUpload, contentInUse, finishUpload, type UploadState } from './store/uploads.ts'

/** Containers that add nothing to the disk inside. */
const BARE: ReadonlySet<string> = new Set(['bare', 'ami', 'ari', 'aki'])

/** Errors: 400. */
export function mustHaveFormats({ disk_format, container_format }: Image): void {
  if (disk_format === null || container_format === null)
    throw badRequest('Properties disk_format, container_format must be set prior to saving data.')
}

/** What `content` needs to know to look into an image. */
const declaredOf = ({ disk_format, container_format }: Image): string | null =>
  BARE.has(container_format ?? '') ? disk_format : null

/** Marks the image as being given its bytes; the id is proof of it. Errors: 409. */
export async function begin(
  db: Kysely<ImageTables>,
  image: Image,
  step: { readonly from?: Image['status']; readonly to: UploadState; readonly now: number },
): Promise<string> {
  const uploadId = randomUUID()
  if (!(await beginUpload(db, image.id, { uploadId, from: 'queued', ...step })))
    throw conflict(`Image status transition from ${image.status} to ${step.to} is not allowed`)
  return uploadId
}

/** Receives the bytes of an image that `begin` marked. On any error it is queued again and no byte is left. Errors: 400, 413, 415. */
export async function receive(ctx: ImageContext, image: Image, uploadId: string, stream: Readable): Promise<Received> {
  return orQueuedAgain(ctx, image, uploadId, async () =>
    ctx.content.receive(stream, declaredOf(image), await bytesLeft(ctx, image.owner)),
  )
}

/** Puts received bytes in their place and makes the image active. Errors: 410 when it was deleted meanwhile, 413. */
export async function finish(ctx: ImageContext, image: Image, uploadId: string, received: Received): Promise<void> {
  const { database, content, clock, log } = ctx
  await orQueuedAgain(ctx, image, uploadId, async () => {
    const finished = await content
      .locked(`project ${image.owner}`, async () => {
        await mustFit(ctx, image.owner, received.sizeBytes)
        return content.locked(received.sha512, async () => {
          await content.keep(received)
          if (await finishUpload(database.kysely, image.id, uploadId, received, clock.now())) return true
          if (!(await contentInUse(database.kysely, received.sha512))) await content.remove(received.sha512)
          return false
        })
      })
      .finally(() => content.discard(received))
    if (!finished) throw new Fault(410, `Image ${image.id} was deleted during the upload.`)
    log.info('image stored', { image: image.id, bytes: received.sizeBytes, format: image.disk_format })
  })
}

async function orQueuedAgain<T>(ctx: ImageContext, image: Image, uploadId: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await abandonUpload(ctx.database.kysely, image.id, uploadId)
    ctx.log.warn('upload failed', { image: image.id, error })
    throw error
  }
}
