/**
 * Bad weather on demand, for tests of real processes: `KILL_AT=<action>/<step>/<before|after|undo>` ends this process with SIGKILL
 * there, `FAIL_AT=<action>/<step>` makes the step fail after its effect. Several are separated by commas; nothing is set in production.
 */
export interface KillPoints {
  kill(action: string, step: string, when: 'before' | 'after' | 'undo'): void
  /** Throws where a failure was asked for. */
  fail(action: string, step: string): void
}

export function killPoints(env: Readonly<Record<string, string | undefined>>): KillPoints {
  const kills = new Set(env['KILL_AT']?.split(','))
  const fails = new Set(env['FAIL_AT']?.split(','))
  return {
    kill: (action, step, when) => {
      if (kills.has(`${action}/${step}/${when}`)) process.kill(process.pid, 'SIGKILL')
    },
    fail: (action, step) => {
      if (fails.has(`${action}/${step}`)) throw new Error(`asked to fail at ${action}/${step}`)
    },
  }
}
