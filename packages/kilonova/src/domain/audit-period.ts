/** The periods of usage audits: hours, days, months or years in UTC, perhaps begun later (`day@18`, `month@15`). Upstream: nova/utils.py. */
const PERIOD = /^(hour|day|month|year)(?:@(\d{1,2}))?$/
/** What may stand behind the @: minutes, hours, days of all months, months. */
const OFFSETS = { hour: [0, 59], day: [0, 23], month: [1, 28], year: [1, 12] } as const
type Unit = keyof typeof OFFSETS

export interface AuditPeriod {
  readonly unit: Unit
  readonly offset: number
}
/** Milliseconds since 1970; the end is the beginning of the next one. */
export interface Span {
  readonly begin: number
  readonly end: number
}

/** Undefined: it is none. */
export function readAuditPeriod(text: string): AuditPeriod | undefined {
  const [, unit, at] = PERIOD.exec(text) ?? []
  if (unit === undefined) return undefined
  const [first, last] = OFFSETS[unit as Unit]
  const offset = Math.max(first, Number(at ?? first))
  return offset <= last ? { unit: unit as Unit, offset } : undefined
}

/** When the period that `ms` is in, or that is so many away, began. */
function beginning({ unit, offset }: AuditPeriod, ms: number, away: number): number {
  const at = new Date(ms)
  const [year, month, day, hour] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(), at.getUTCHours()]
  switch (unit) {
    case 'hour':
      return Date.UTC(year, month, day, hour + away, offset)
    case 'day':
      return Date.UTC(year, month, day + away, offset)
    case 'month':
      return Date.UTC(year, month + away, offset)
    case 'year':
      return Date.UTC(year + away, offset - 1, 1)
  }
}

/** The last one that was over before that moment. */
export function lastCompleted(period: AuditPeriod, before: number): Span {
  const began = beginning(period, before, 0)
  // Its own beginning is the end of the one before it, unless this one has not begun yet.
  const away = began < before ? 0 : -1
  return { begin: beginning(period, before, away - 1), end: beginning(period, before, away) }
}
