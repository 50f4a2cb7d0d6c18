/** Fetches a ticket's image into a file: hashed while it streams, holes left where it holds zeros, never longer than promised. */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { ImageTicket } from '../driver.ts'
import { HostError } from '../host-error.ts'

/** Without a byte for so long, the image service is taken for dead. */
const SILENCE_MS = 60_000
const BLOCK_BYTES = 64 * 1024
const ZEROS = Buffer.alloc(BLOCK_BYTES)

export async function download(
  ticket: ImageTicket,
  path: string,
  progress: (percent: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { imageId, sizeBytes, hashAlgorithm, hash } = ticket
  const silence = new AbortController()
  const timer = setTimeout(
    () =>
      silence.abort(
        new HostError('ImageUnavailable', `image ${imageId}: the image service fell silent`, { retryable: true }),
      ),
    SILENCE_MS,
  )
  const file = await open(path, 'w', 0o600)
  try {
    const body = await request(ticket, AbortSignal.any([signal, silence.signal]))
    const sum = createHash(hashAlgorithm)
    let length = 0
    for await (const chunk of body) {
      timer.refresh()
      if (length + chunk.length > sizeBytes)
        throw new HostError('ImageDamaged', `image ${imageId} is larger than the ${sizeBytes} bytes promised`)
      sum.update(chunk)
      await writeSparse(file, chunk, length)
      length += chunk.length
      progress(sizeBytes === 0 ? 100 : Math.min(99, (100 * length) / sizeBytes))
    }
    // Closed early: whatever comes next may be whole.
    if (length < sizeBytes)
      throw new HostError('ImageUnavailable', `image ${imageId} ended after ${length} of ${sizeBytes} bytes`, {
        retryable: true,
      })
    if (sum.digest('hex') !== hash.toLowerCase())
      throw new HostError(
        'ImageDamaged',
        `image ${imageId} does not have the content promised: its ${hashAlgorithm} differs`,
      )
    await file.truncate(length)
    await file.sync()
  } catch (error) {
    throw named(error, ticket, silence.signal)
  } finally {
    clearTimeout(timer)
    await file.close()
  }
}

async function request({ imageId, url }: ImageTicket, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const response = await fetch(url, { signal, redirect: 'error' })
  if (response.ok && response.body) return response.body
  await response.body?.cancel()
  const gone = [404, 410].includes(response.status)
  throw new HostError(
    'ImageUnavailable',
    gone ? `image ${imageId} is gone` : `image ${imageId}: the image service answered ${response.status}`,
    { retryable: response.status >= 500 },
  )
}

/** Blocks of nothing but zeros are left out: the file has a hole there. */
async function writeSparse(file: Awaited<ReturnType<typeof open>>, chunk: Uint8Array, position: number): Promise<void> {
  let start = 0
  for (let at = 0; at < chunk.length;) {
    const end = Math.min(chunk.length, at + BLOCK_BYTES)
    if (ZEROS.compare(chunk, at, end, 0, end - at) === 0) {
      if (at > start) await writeAll(file, chunk.subarray(start, at), position + start)
      start = end
    }
    at = end
  }
  if (chunk.length > start) await writeAll(file, chunk.subarray(start), position + start)
}

async function writeAll(file: Awaited<ReturnType<typeof open>>, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;)
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten
}

function named(error: unknown, { imageId }: ImageTicket, silence: AbortSignal): unknown {
  if (silence.aborted) return silence.reason
  if (!(error instanceof Error) || error instanceof HostError || error.name === 'AbortError') return error
  if ('code' in error && error.code === 'ENOSPC')
    return new HostError('DiskFull', `the disk is full: image ${imageId} does not fit`, { cause: error })
  // `fetch` and its body say every loss of the connection with a TypeError.
  if (error instanceof TypeError)
    return new HostError('ImageUnavailable', `image ${imageId}: the image service cannot be reached`, {
      cause: error,
      retryable: true,
    })
  return error
}
