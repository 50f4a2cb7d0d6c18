/** A policy by which servers are backed up again and again. */

export type Schedule =
  | { readonly every: 'hour'; readonly minute: number }
  | { readonly every: 'day'; readonly at: string }
  /** 0 is Sunday. */
  | { readonly every: 'week'; readonly at: string; readonly weekday: number }

/** `all`: those of the policy's project. */
export type BackedUp = { readonly ids: readonly string[] } | { readonly tag: string } | { readonly all: true }

export interface BackupRun {
  /** When it was due. */
  readonly at: number
  /** Servers whose backup was begun. */
  readonly begun: readonly string[]
  readonly skipped: readonly { readonly server: string; readonly reason: string }[]
}

export interface BackupPolicy {
  readonly id: string
  readonly name: string
  readonly projectId: string
  /** In whose name backups are made. */
  readonly userId: string
  readonly schedule: Schedule
  /** How many backups of each server stay. */
  readonly rotation: number
  readonly servers: BackedUp
  readonly enabled: boolean
  readonly nextRunAt: number
  readonly lastRun: BackupRun | null
  readonly createdAt: number
  readonly updatedAt: number
}

const HOUR_MS = 3600_000
const DAY_MS = 24 * HOUR_MS

/** The first time of the schedule after another; all in UTC, `at` as HH:MM. */
export function nextRun(schedule: Schedule, after: number): number {
  if (schedule.every === 'hour') {
    const hour = Math.floor(after / HOUR_MS) * HOUR_MS + schedule.minute * 60_000
    return hour > after ? hour : hour + HOUR_MS
  }
  const [hours = 0, minutes = 0] = schedule.at.split(':').map(Number)
  const today = Math.floor(after / DAY_MS) * DAY_MS + (hours * 60 + minutes) * 60_000
  const first = today > after ? today : today + DAY_MS
  if (schedule.every === 'day') return first
  const days = (schedule.weekday - new Date(first).getUTCDay() + 7) % 7
  return first + days * DAY_MS
}
