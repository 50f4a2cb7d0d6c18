/** Sends a copy of a disk to the address that a ticket names. What is refused for good is told apart from what may pass. */
import type { Readable } from 'node:stream'
import { Transform } from 'node:stream'
import { exchange } from '@kilonova/base/http/client.ts'
import type { UploadTicket } from './driver.ts'
import { HostError } from './host-error.ts'

export interface Sending {
  readonly ticket: UploadTicket
  readonly stream: Readable
  readonly sizeBytes: number
  readonly progress: (percent: number) => void
  readonly signal: AbortSignal
}

/** The image service takes its time over the sums of a large file before it answers. */
const ANSWER_MS = 10 * 60_000

/** Errors: HostError ImageRefused, retryable where the next try may find another answer. */
export async function sendSnapshot({ ticket, stream, sizeBytes, progress, signal }: Sending): Promise<void> {
  let sent = 0
  const counted = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      sent += chunk.length
      progress(Math.min(99, (sent / Math.max(1, sizeBytes)) * 100))
      done(null, chunk)
    },
  })
  const refusal = (why: string, retryable: boolean, cause?: unknown) =>
    new HostError('ImageRefused', `image ${ticket.imageId} cannot be stored: ${why}`, { retryable, cause })
  stream.on('error', (error) => counted.destroy(error))
  const answer = await exchange({
    method: 'PUT',
    url: ticket.url,
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(sizeBytes) },
    stream: stream.pipe(counted),
    timeoutMs: ANSWER_MS,
    signal,
  })
    .catch((error: unknown) => {
      signal.throwIfAborted()
      throw refusal(error instanceof Error ? error.message : String(error), true, error)
    })
    .finally(() => stream.destroy())
  if (answer.status < 300) return progress(100)
  const { body } = answer
  const said =
    typeof body === 'object' && body !== null && 'message' in body ? String(body.message) : `HTTP ${answer.status}`
  throw refusal(said, answer.status >= 500)
}
