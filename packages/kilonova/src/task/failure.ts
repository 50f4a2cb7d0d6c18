/** What an error means: worth another try or not, and the fault a user sees. */
import type { ServerFault } from '../domain/server.ts'
import { isNovaError, type ErrorKind } from '../domain/errors.ts'

const TRANSIENT = new Set(['NoAnswerError', 'HttpUnreachableError', 'ConnectionLostError'])

/** It may pass by itself: nobody answered, or whoever answered said so. A cancellation never is. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error) || isNovaError(error, 'Cancelled')) return false
  if (isNovaError(error)) return error.kind === 'unavailable'
  return TRANSIENT.has(error.name) || ('retryable' in error && error.retryable === true)
}

/** The messages of an error and its causes, outermost first. */
export const causes = (error: unknown): string => messagesOf(error).join(': ')

/** The same as the journal keeps it: a line each, so that a restart knows which of them users may see. */
export const asReason = (error: unknown): string => messagesOf(error).join('\n')
export const ofReason = (reason: string): Error => {
  const [message = '', ...rest] = reason.split('\n')
  return rest.length === 0 ? new Error(message) : new Error(message, { cause: ofReason(rest.join('\n')) })
}

function messagesOf(error: unknown): readonly string[] {
  const messages: string[] = []
  for (
    let e = error;
    e !== undefined && e !== null && messages.length < 6;
    e = e instanceof Error ? e.cause : undefined
  ) {
    const message = e instanceof Error ? e.message : String(e)
    if (!messages.at(-1)?.includes(message)) messages.push(message.replaceAll('\n', ' '))
  }
  return messages
}

const MAX_MESSAGE = 255
/** As upstream's exceptions carry one; others are 500. */
const CODES: Partial<Readonly<Record<ErrorKind, number>>> = {
  badRequest: 400,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
}

/** Users see the outermost sentence (Nova's column holds 255 characters), administrators the whole chain. */
export function faultOf(error: unknown, now: number): ServerFault {
  const [message = ''] = messagesOf(error)
  return {
    code: (isNovaError(error) ? CODES[error.kind] : undefined) ?? 500,
    message: message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : message,
    details: causes(error),
    createdAt: now,
  }
}
