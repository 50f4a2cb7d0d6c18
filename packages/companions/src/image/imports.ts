/**
 * Imports: tasks that give an image its bytes after the request was answered. They live in this process; what a restart cuts is a failure.
 *
 *   pending --> processing --> success
 *                         \--> failure   (the image is queued again)
 */
import type { Readable } from 'node:stream'
import type { Received } from './content.ts'
import type { ImageContext } from './context.ts'
import type { Image } from './store/images.ts'
import { endTask, startTask } from './store/tasks.ts'
import { finish, receive } from './upload.ts'
import { abandonUpload } from './store/uploads.ts'
import { openWebSource } from './web-source.ts'

export interface Imports {
  /** Fetches the bytes of an image that `begin` marked, in its turn. */
  fetch(image: Image, uploadId: string, taskId: string, uri: string): void
  /** Uses bytes that were staged. */
  use(image: Image, uploadId: string, taskId: string, received: Received): void
  /** Ends what runs. */
  close(): Promise<void>
}

/** More wait for their turn. */
const MAX_RUNNING = 4

export function imports(ctx: ImageContext): Imports {
  const closing = new AbortController()
  const running = new Set<Promise<void>>()
  const waiting: (() => void)[] = []

  const start = (taskId: string, work: () => Promise<void>): void => {
    const run = async (): Promise<void> => {
      if (running.size > MAX_RUNNING) await new Promise<void>((turn) => waiting.push(turn))
      await ctx.database.kysely.transaction().execute((tx) => startTask(tx, taskId, ctx.clock.now()))
      const failure = await work().then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : 'unknown'),
      )
      await endTask(ctx.database.kysely, taskId, failure, ctx.clock.now())
    }
    const promise = run()
      .catch((error: unknown) => ctx.log.error('an import was lost', { task: taskId, error }))
      .finally(() => {
        running.delete(promise)
        waiting.shift()?.()
      })
    running.add(promise)
  }

  const download = async (image: Image, uploadId: string, uri: string): Promise<void> => {
    const source: Readable = await openWebSource(uri, ctx.webSources, closing.signal, ctx.resolve).catch(
      async (error: unknown) => {
        await abandonUpload(ctx.database.kysely, image.id, uploadId)
        throw error
      },
    )
    try {
      await finish(ctx, image, uploadId, await receive(ctx, image, uploadId, source))
    } finally {
      source.destroy()
    }
  }

  return {
    fetch: (image, uploadId, taskId, uri) => start(taskId, () => download(image, uploadId, uri)),
    use: (image, uploadId, taskId, received) => start(taskId, () => finish(ctx, image, uploadId, received)),
    close: async () => {
      closing.abort()
      for (const turn of waiting.splice(0)) turn()
      await Promise.all(running)
    },
  }
}
