/**
 * SHA-512 and MD5 of a stream, made while it is written. Each costs as much as all else an upload does, so each has a thread of its own, shared
 * by all uploads and gone with the last of them; what fits into one block is not worth a thread.
 */
import { createHash } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import type { FromHash, ToHash } from './hash-thread.ts'

export interface Sums {
  /** Resolves when the block, which must be shared memory, was read and may be written again. */
  update(block: Uint8Array): Promise<void>
  digest(): Promise<{ readonly sha512: string; readonly md5: string }>
  /** Must be called at the end, whatever the end was. */
  close(): void
}

export const sumsOf = (bytes: Uint8Array) => ({
  sha512: createHash('sha512').update(bytes).digest('hex'),
  md5: createHash('md5').update(bytes).digest('hex'),
})

interface HashThread {
  ask(message: ToHash): Promise<string>
  end(): void
}

let threads: { readonly sha512: HashThread; readonly md5: HashThread } | undefined
let users = 0
let streams = 0

export function threadedSums(): Sums {
  const { sha512, md5 } = (threads ??= { sha512: hashThread('sha512'), md5: hashThread('md5') })
  users++
  const stream = ++streams
  let open = true
  return {
    update: async (block) => void (await Promise.all([sha512, md5].map((thread) => thread.ask({ stream, block })))),
    digest: async () => {
      const [first = '', second = ''] = await Promise.all(
        [sha512, md5].map((thread) => thread.ask({ stream, end: 'digest' })),
      )
      return { sha512: first, md5: second }
    },
    close: () => {
      if (!open) return
      open = false
      // Their answers are of no use to anyone.
      for (const thread of [sha512, md5]) thread.ask({ stream, end: 'forget' }).catch(() => {})
      if (--users > 0) return
      threads = undefined
      sha512.end()
      md5.end()
    },
  }
}

/** A thread that dies fails what it was asked, and all that it is asked later. */
function hashThread(algorithm: string): HashThread {
  const worker = new Worker(new URL('hash-thread.ts', import.meta.url), { workerData: algorithm })
  const asked: PromiseWithResolvers<string>[] = []
  let dead: Error | undefined
  worker.unref()
  worker.on('message', ({ sum = '' }: FromHash) => asked.shift()?.resolve(sum))
  const die = (error: Error): void => {
    dead ??= error
    for (const { reject } of asked.splice(0)) reject(dead)
  }
  worker.on('error', die)
  worker.on('exit', () => die(new Error(`the thread for ${algorithm} ended`)))
  return {
    ask: (message) => {
      if (dead) return Promise.reject(dead)
      const answer = Promise.withResolvers<string>()
      asked.push(answer)
      worker.postMessage(message)
      return answer.promise
    },
    end: () => void worker.terminate(),
  }
}
