/** What a run is given, what may happen to it from outside, and how it can end. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import { NovaError } from '../domain/errors.ts'
import type { Base } from './action.ts'
import type { Task, TaskStore } from './journal.ts'
import type { KillPoints } from './kill-points.ts'

export interface Runner<Ctx> {
  readonly store: TaskStore
  readonly clock: Clock
  readonly log: Log
  readonly kills: KillPoints
  readonly retryTries: number
  readonly retryFirstDelayMs: number
  /** The most a task waits before its undo, or its way after the pivot, is tried again. */
  readonly maxBackOffMs: number
  /** Whether that action removes all that others left: see `Spec`. */
  removesAll(action: string): boolean
  /** The program's own part of what a step sees. */
  reach(task: Task, base: Base<unknown>): Ctx
}

export type Outcome = 'succeeded' | 'undone' | 'postponed' | 'fenced'

export interface Signals {
  /** Somebody wants the task undone; its reason is a `cancelReason`. */
  readonly cancel: AbortSignal
  /** This conductor lets go of the task, or has lost it: nothing is undone and nothing is written. Its reason is a FencedError. */
  readonly stop: AbortSignal
}

/** Why a task was cancelled, as its signal's reason. */
export const cancelReason = (by: string): NovaError => new NovaError('Cancelled', { by })
