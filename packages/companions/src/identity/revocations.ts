/**
 * What ended a token before its time, told to who keeps answers about tokens: a ring in memory, read by a cursor.
 *
 * A reader who was away too long, or whose cursor is of another process, is told to forget all.
 */
import { randomBytes } from 'node:crypto'

/** Of one token (its audit id), of all of a user, or (neither is said) of anybody. */
export interface Revocation {
  readonly auditId?: string
  readonly userId?: string
}

export interface RevocationPage {
  readonly cursor: string
  readonly all: boolean
  readonly auditIds: readonly string[]
  readonly userIds: readonly string[]
}

export interface Revocations {
  /** Called after the change was committed. */
  tell(revocation: Revocation): void
  /** Answers at once when there is something after `since`, else when there is, at the latest after `waitMs`. */
  after(since: string | undefined, waitMs: number): Promise<RevocationPage>
  close(): void
}

const KEPT = 1_000

export function revocations(): Revocations {
  const era = randomBytes(6).toString('hex')
  const ring: Revocation[] = []
  const waiting = new Set<() => void>()
  let count = 0

  const page = (since: string | undefined): RevocationPage => {
    const cursor = `${era}-${count}`
    const [of, number = ''] = (since ?? '').split('-')
    const missed = count - Number(number)
    if (of !== era || !/^\d{1,15}$/.test(number) || missed < 0 || missed > ring.length)
      return { cursor, all: true, auditIds: [], userIds: [] }
    const fresh = missed === 0 ? [] : ring.slice(-missed)
    return {
      cursor,
      all: fresh.some(({ auditId, userId }) => auditId === undefined && userId === undefined),
      auditIds: fresh.flatMap(({ auditId = [] }) => auditId),
      userIds: [...new Set(fresh.flatMap(({ userId = [] }) => userId))],
    }
  }
  return {
    tell: (revocation) => {
      ring.push(revocation)
      if (ring.length > KEPT) ring.shift()
      count++
      for (const go of waiting) go()
    },
    after: async (since, waitMs) => {
      const now = page(since)
      if (now.all || now.cursor !== since || waitMs <= 0) return now
      await new Promise<void>((done) => {
        const go = () => {
          clearTimeout(timer)
          waiting.delete(go)
          done()
        }
        const timer = setTimeout(go, waitMs)
        waiting.add(go)
      })
      return page(since)
    },
    close: () => {
      for (const go of waiting) go()
    },
  }
}
