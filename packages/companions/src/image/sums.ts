/**
 * SHA-512 and MD5 of a stream, made while it is written. Each costs as much as all else an upload does, so each has a thread of its own, shared
 * by all uploads and gone soon after the last of them; what fits into one block is not worth a thread.
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
  isAlive(): boolean
  /** Whether the process waits for it. */
  hold(held: boolean): void
  end(): void
}

interface Pair {
  /** SHA-512 and MD5. */
  readonly threads: readonly [HashThread, HashThread]
  users: number
  ending: NodeJS.Timeout | undefined
}

/** The next upload often follows. */
const LINGER_MS = 5_000

let current: Pair | undefined
let streams = 0

export function threadedSums(): Sums {
  const pair = taken()
  const stream = ++streams
  const ask = (message: ToHash) => Promise.all(pair.threads.map((thread) => thread.ask(message)))
  let open = true
  return {
    update: async (block) => void (await ask({ stream, block })),
    digest: async () => {
      const [sha512 = '', md5 = ''] = await ask({ stream, end: 'digest' })
      return { sha512, md5 }
    },
    close: () => {
      if (!open) return
      open = false
      // Its answer is of no use to anyone.
      ask({ stream, end: 'forget' }).catch(() => {})
      givenBack(pair)
    },
  }
}

function taken(): Pair {
  const alive = current?.threads.every((thread) => thread.isAlive()) ? current : undefined
  const pair = alive ?? { threads: [hashThread('sha512'), hashThread('md5')], users: 0, ending: undefined }
  current = pair
  clearTimeout(pair.ending)
  pair.users++
  for (const thread of pair.threads) thread.hold(true)
  return pair
}

function givenBack(pair: Pair): void {
  if (--pair.users > 0) return
  for (const thread of pair.threads) thread.hold(false)
  pair.ending = setTimeout(() => {
    if (current === pair) current = undefined
    for (const thread of pair.threads) thread.end()
  }, LINGER_MS).unref()
}

/** A thread that dies fails what it was asked, and all that it is asked later. */
function hashThread(algorithm: string): HashThread {
  const worker = new Worker(new URL('hash-thread.ts', import.meta.url), { workerData: algorithm })
  const asked: PromiseWithResolvers<string>[] = []
  let dead: Error | undefined
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
    isAlive: () => !dead,
    hold: (held) => (held ? worker.ref() : worker.unref()),
    end: () => void worker.terminate(),
  }
}
