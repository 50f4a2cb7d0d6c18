/**
 * Bad weather on demand, for tests of real processes: `KILL_AT=<action>/<step>/<before|after|undo>` ends this process with SIGKILL
 * there, `FAIL_AT=<action>/<step>` makes the step fail after its effect, `HOLD_AT=<action>/<step>/<before|after>=<file>` keeps the
 * task there for as long as the file exists. Several are separated by commas; nothing is set in production.
 */
import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

export interface KillPoints {
  kill(action: string, step: string, when: 'before' | 'after' | 'undo'): void
  /** Throws where a failure was asked for. */
  fail(action: string, step: string): void
  /** Waits where that was asked for; over as well when the signal is aborted, which the caller looks at. */
  hold(action: string, step: string, when: 'before' | 'after', signal: AbortSignal): Promise<void>
}

const LOOK_MS = 10

export function killPoints(env: Readonly<Record<string, string | undefined>>): KillPoints {
  const kills = new Set(env['KILL_AT']?.split(','))
  const fails = new Set(env['FAIL_AT']?.split(','))
  const holds = new Map(env['HOLD_AT']?.split(',').map(pointAndFile))
  return {
    kill: (action, step, when) => {
      if (kills.has(`${action}/${step}/${when}`)) process.kill(process.pid, 'SIGKILL')
    },
    fail: (action, step) => {
      if (fails.has(`${action}/${step}`)) throw new Error(`asked to fail at ${action}/${step}`)
    },
    hold: async (action, step, when, signal) => {
      const file = holds.get(`${action}/${step}/${when}`)
      if (file === undefined) return
      while (existsSync(file) && !signal.aborted) await pause(LOOK_MS)
    },
  }
}

function pointAndFile(entry: string): readonly [string, string] {
  const at = entry.indexOf('=')
  if (at === -1) throw new Error(`HOLD_AT has ${entry} without =<file>`)
  return [entry.slice(0, at), entry.slice(at + 1)]
}
