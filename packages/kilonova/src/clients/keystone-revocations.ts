/**
 * What ended tokens before their time, as the identity companion tells it (`GET /v3/kilonova/revocations`, a long poll).
 *
 *   asking --answer--> live --error--> broken --answer--> live
 *      \--404--> absent (a real Keystone; asked again now and then)
 *
 * While it is live, an answer about a token is dropped as soon as it is no longer true. Keystone tells nothing of that
 * kind: there only an answer's age counts.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Asked } from './service.ts'

export interface Ended {
  /** Anything may have ended. */
  readonly all: boolean
  readonly auditIds: ReadonlySet<string>
  readonly userIds: ReadonlySet<string>
}

export interface RevocationFeed {
  /** It is known whether there is a feed, or that nobody can tell. */
  readonly ready: Promise<void>
  /** False: there is one, and it cannot be heard. */
  readonly heard: () => boolean
  close(): void
}

export interface FeedOptions {
  /** The path and query with our own token. Errors: NovaError. */
  ask(path: string, signal: AbortSignal): Promise<Asked>
  ended(what: Ended): void
  readonly retryMs: number
}

const WAIT_SECONDS = 30
const ABSENT_RETRY_MS = 60_000
const EVERYTHING: Ended = { all: true, auditIds: new Set(), userIds: new Set() }

export function followRevocations({ ask, ended, retryMs }: FeedOptions): RevocationFeed {
  const closing = new AbortController()
  const ready = Promise.withResolvers<void>()
  let state: 'asking' | 'live' | 'broken' | 'absent' = 'asking'
  let cursor: string | undefined

  /** Milliseconds until the next question. */
  async function once(): Promise<number> {
    const [since, began] = [cursor, performance.now()]
    const query = cursor === undefined ? '' : `?since=${encodeURIComponent(cursor)}&wait=${WAIT_SECONDS}`
    const { status, body } = await ask(`/v3/kilonova/revocations${query}`, closing.signal)
    const page = status === 200 ? pageOf(body) : undefined
    if (!page) {
      state = 'absent'
      cursor = undefined
      return ABSENT_RETRY_MS
    }
    cursor = page.cursor
    state = 'live'
    if (page.all || page.auditIds.size > 0 || page.userIds.size > 0) ended(page)
    // A service that does not hold the question is not asked in a circle.
    return page.cursor === since && performance.now() - began < retryMs ? retryMs : 0
  }
  const follow = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      const waitMs = await once().catch(() => {
        if (state !== 'broken') ended(EVERYTHING)
        state = 'broken'
        return retryMs
      })
      ready.resolve()
      if (waitMs > 0) await pause(waitMs, undefined, { ref: false, signal: closing.signal }).catch(() => undefined)
    }
  }
  void follow()
  return {
    ready: ready.promise,
    heard: () => state === 'live' || state === 'absent',
    close: () => closing.abort(),
  }
}

/** Undefined for what is not the feed's answer. */
function pageOf(body: unknown): (Ended & { readonly cursor: string }) | undefined {
  if (typeof body !== 'object' || body === null || !('cursor' in body) || typeof body.cursor !== 'string')
    return undefined
  const list = (name: string): ReadonlySet<string> => {
    const value = (body as Record<string, unknown>)[name]
    return new Set(Array.isArray(value) ? value.map(String) : [])
  }
  return {
    cursor: body.cursor,
    all: 'all' in body && body.all === true,
    auditIds: list('audit_ids'),
    userIds: list('user_ids'),
  }
}
