/** Reading a console: exactly so many bytes of a protocol, or text until it says something. */
import { once } from 'node:events'
import type { Duplex } from 'node:stream'

/** Errors: when the other side ended. One read at a time. */
export function takerOf(stream: Duplex): (count: number) => Promise<Buffer> {
  const { promise: over, reject } = Promise.withResolvers<never>()
  over.catch(() => {})
  for (const event of ['end', 'close', 'error'])
    stream.once(event, () => reject(new Error('the other side is gone', { cause: event })))
  // One listener for good: each new one would be told at once of what is too little.
  let more = Promise.withResolvers<void>()
  stream.on('readable', () => more.resolve())
  return async (count) => {
    for (;;) {
      more = Promise.withResolvers<void>()
      const chunk = count === 0 ? Buffer.alloc(0) : (stream.read(count) as Buffer | null)
      if (chunk && chunk.length === count) return chunk
      if (chunk) throw new Error('the other side is gone')
      await Promise.race([more.promise, over])
    }
  }
}

/** Gathers what comes from now on. */
export function textOf(stream: Duplex): {
  readonly seen: () => string
  until(wanted: RegExp, limitMs?: number): Promise<string>
} {
  let text = ''
  stream.on('data', (bytes: Buffer) => (text += bytes.toString()))
  return {
    seen: () => text,
    until: async (wanted, limitMs = 60_000) => {
      const late = AbortSignal.timeout(limitMs)
      while (!wanted.test(text))
        await once(stream, 'data', { signal: late }).catch((error: unknown) => {
          throw new Error(`the console does not say ${wanted}; it said: ${text.slice(-2000)}`, { cause: error })
        })
      return text
    },
  }
}
