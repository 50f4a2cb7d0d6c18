/** The thread that makes one kind of sum for all streams; `sums.ts` speaks to it. Blocks come in shared memory, in order per stream. */
import { createHash, type Hash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'

export type ToHash =
  | { readonly stream: number; readonly block: Uint8Array }
  | { readonly stream: number; readonly end: 'digest' | 'forget' }
/** One for each message, in the same order; with the sum after `digest`. */
export interface FromHash {
  readonly stream: number
  readonly sum?: string
}

const algorithm = workerData as string
const hashes = new Map<number, Hash>()

parentPort?.on('message', (message: ToHash) => {
  const { stream } = message
  const hash = hashes.get(stream) ?? createHash(algorithm)
  if ('block' in message) {
    hashes.set(stream, hash.update(message.block))
    parentPort?.postMessage({ stream } satisfies FromHash)
  } else {
    hashes.delete(stream)
    parentPort?.postMessage(
      (message.end === 'digest' ? { stream, sum: hash.digest('hex') } : { stream }) satisfies FromHash,
    )
  }
})
