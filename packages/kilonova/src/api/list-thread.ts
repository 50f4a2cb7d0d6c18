/** The thread that lists servers, from outside: started by the first list, answered for by this thread until it is up, started anew when it dies. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Clock } from '@kilonova/base/clock.ts'
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { NovaError, type ErrorName } from '../domain/errors.ts'
import type { ListAnswer, ListQuestion } from './list-worker.ts'
import { renderServers } from './render-servers.ts'
import type { ServerLister, ServerPageRequest } from './server-lister.ts'

interface Waiting {
  done(json: Buffer): void
  fail(error: Error): void
}

/** Enough for pages of a thousand large servers, and no more than a daemon should hold idle. */
const LIMITS = { maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 16 }

export interface ListThread extends ServerLister {
  /** Starts it, and resolves when it answers itself. */
  up(): Promise<void>
  /** Resolves when the one that was started, if any, is gone. */
  ended(): Promise<void>
}

export function listThread(db: Kysely<Tables>, file: string, clock: Clock): ListThread {
  const waiting = new Map<number, Waiting>()
  let worker: Worker | undefined
  let up = false
  let number = 0

  function start(): Worker {
    const started = new Worker(new URL('./list-worker.ts', import.meta.url), {
      workerData: { file },
      resourceLimits: LIMITS,
    })
    started.unref()
    started.on('message', (answer: ListAnswer) => {
      if (answer.kind === 'up') return void (up = true)
      const asked = waiting.get(answer.number)
      waiting.delete(answer.number)
      if (answer.kind === 'page')
        asked?.done(Buffer.from(answer.bytes.buffer, answer.bytes.byteOffset, answer.bytes.byteLength))
      else
        asked?.fail(
          answer.name === undefined
            ? new Error(answer.message)
            : new NovaError(answer.name as ErrorName, answer.detail as never),
        )
    })
    const gone = (error: Error) => {
      if (worker === started) [worker, up] = [undefined, false]
      for (const [key, asked] of waiting) {
        waiting.delete(key)
        asked.fail(error)
      }
    }
    started.on('error', gone)
    started.on('exit', (code) => gone(new Error(`the thread that lists servers ended with ${code}`)))
    return started
  }

  async function ask(to: Worker, request: ServerPageRequest): Promise<Buffer> {
    const question: ListQuestion = { number: ++number, now: clock.now(), request }
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    waiting.set(question.number, { done: resolve, fail: reject })
    to.ref()
    to.postMessage(question)
    return promise.finally(() => waiting.size === 0 && worker?.unref())
  }

  return {
    up: async () => {
      worker ??= start()
      while (!up) await once(worker, 'message')
    },
    ended: async () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      if (!worker) return
      worker.once('exit', () => resolve())
      worker.ref()
      await promise
    },
    page: async (request) => {
      worker ??= start()
      return up ? ask(worker, request) : renderServers(db, request, clock.now())
    },
    close: async () => {
      if (!worker) return
      const ended = once(worker, 'exit')
      await worker.terminate()
      await ended.catch(() => undefined)
    },
  }
}
