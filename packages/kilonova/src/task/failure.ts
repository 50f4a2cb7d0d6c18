/** What an error means: worth another try or not, and the fault a user sees. */
import type { ServerFault } from '../domain/server.ts'
import { isNovaError } from '../domain/errors.ts'

const TRANSIENT = new Set(['NoAnswerError', 'HttpUnreachableError', 'ConnectionLostError'])

/** It may pass by itself: nobody answered, or whoever answered said so. A cancellation never is. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error) || isNovaError(error, 'Cancelled')) return false
  if (isNovaError(error)) return error.kind === 'unavailable'
  return TRANSIENT.has(error.name) || ('retryable' in error && error.retryable === true)
}

/** The messages of an error and its causes, outermost first. */
export function causes(error: unknown): string {
  const messages: string[] = []
  for (
    let e = error;
    e !== undefined && e !== null && messages.length < 6;
    e = e instanceof Error ? e.cause : undefined
  ) {
    const message = e instanceof Error ? e.message : String(e)
    if (!messages.at(-1)?.includes(message)) messages.push(message)
  }
  return messages.join(': ')
}

const MAX_MESSAGE = 255

/** Users see the outermost sentence (Nova's column holds 255 characters), administrators the whole chain. */
export function faultOf(error: unknown, now: number): ServerFault {
  const whole = causes(error)
  return {
    code: 500,
    message: whole.length > MAX_MESSAGE ? `${whole.slice(0, MAX_MESSAGE - 1)}…` : whole,
    details: whole,
    createdAt: now,
  }
}
