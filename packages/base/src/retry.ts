/** Retry of what may pass by itself: bounded tries, exponential back-off with jitter, cut short by a signal. */
import { setTimeout as delay } from 'node:timers/promises'

export interface RetryOptions {
  readonly tries: number
  /** Before the second try; doubled for each one after it. */
  readonly firstDelayMs: number
  readonly maxDelayMs: number
  readonly signal?: AbortSignal
  /** Only an error for which this holds is worth another try. */
  transient(error: unknown): boolean
}

export async function retry<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt >= options.tries || options.signal?.aborted || !options.transient(error)) throw error
      const wait = backOffMs(attempt, options.firstDelayMs, options.maxDelayMs)
      await delay(wait, undefined, options.signal ? { signal: options.signal } : {})
    }
  }
}

/** 0.5 to 1 times `first * 2^(attempt-1)`, at most `max`. */
export const backOffMs = (attempt: number, firstMs: number, maxMs: number): number =>
  Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 30)) * (0.5 + Math.random() / 2)
