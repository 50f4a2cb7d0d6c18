/** Bad weather on order: what shall go wrong at which call. Rules are used up in the order they were given. */

export type Trouble =
  /** Answers with this error, nothing is done. */
  | { readonly kind: 'error'; readonly code: number; readonly message?: string }
  /** Cuts the connection, before the call takes effect or after it. */
  | { readonly kind: 'drop'; readonly when: 'before' | 'after' }
  /** Does it, but answers only when the promise resolves. */
  | { readonly kind: 'hold'; readonly until: Promise<void> }
  /** Does it, and sends these bytes in place of the answer's packet. */
  | { readonly kind: 'garbage'; readonly bytes: Uint8Array }
  /** Does it, and sends an answer whose body is these bytes. */
  | { readonly kind: 'badBody'; readonly bytes: Uint8Array }

/** How bytes leave the fake: in pieces of `pieceBytes`, or several packets in one write. */
export interface Wire {
  pieceBytes: number | undefined
  mergePackets: number
  answerPings: boolean
}

interface Rule {
  readonly procedure: string
  readonly trouble: Trouble
  skip: number
  times: number
}

export class Weather {
  readonly wire: Wire = { pieceBytes: undefined, mergePackets: 1, answerPings: true }
  readonly #rules: Rule[] = []

  /** At this call, after `skip` good ones, `times` times. */
  spoil(procedure: string, trouble: Trouble, { skip = 0, times = 1 }: { skip?: number; times?: number } = {}): void {
    this.#rules.push({ procedure, trouble, skip, times })
  }

  clear(): void {
    this.#rules.length = 0
    Object.assign(this.wire, { pieceBytes: undefined, mergePackets: 1, answerPings: true })
  }

  /** The trouble of this very call, if any. */
  next(procedure: string): Trouble | undefined {
    const rule = this.#rules.find((candidate) => candidate.procedure === procedure && candidate.times > 0)
    if (!rule) return undefined
    if (rule.skip > 0) {
      rule.skip--
      return undefined
    }
    rule.times--
    return rule.trouble
  }
}
