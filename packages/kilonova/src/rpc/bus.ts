/** The bus: calls with an answer, and events that everyone listening gets. Messages are JSON; delivery is at least once, in no order. */
import type { RequestContext } from '@kilonova/base/context.ts'
import type { Json } from '../domain/json.ts'

export interface Call {
  readonly topic: string
  readonly method: string
  readonly input: Json
  readonly context: RequestContext
  readonly timeoutMs?: number
}

export interface Bus {
  /** Errors: NoAnswerError when nobody answered in time (the call may have had its effect), RemoteError when the handler threw. */
  call(call: Call): Promise<Json>
  serve(
    topic: string,
    handle: (method: string, input: Json, context: RequestContext) => Promise<Json>,
  ): () => Promise<void>
  publish(topic: string, event: Json): void
  subscribe(topic: string, listener: (event: Json) => void): () => void
  close(): Promise<void>
}

/** Nobody answered: nobody serves the topic, or the message or its answer was lost. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
}

/** The handler threw; `code` is its error's name, and `retryable` what it said of another try. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError'
  readonly code: string
  readonly retryable: boolean
  constructor(code: string, message: string, retryable: boolean) {
    super(message)
    this.code = code
    this.retryable = retryable
  }
}
