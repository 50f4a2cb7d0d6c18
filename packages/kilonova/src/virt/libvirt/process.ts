/** Processes of others, known by number and start time, so that a number used again is never taken for the one meant. */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

export interface ProcessId {
  readonly pid: number
  /** Clock ticks after the machine's boot, as in /proc/<pid>/stat. */
  readonly startTime: number
}

export function startTimeOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in parentheses, may hold anything; fields are counted after it. A zombie is gone.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : Number(fields[19])
  } catch {
    return undefined
  }
}

export const isAlive = ({ pid, startTime }: ProcessId): boolean => startTimeOf(pid) === startTime

const LOOK_EVERY_MS = 20

/** Asks the process to end, and makes it when it has not after a while. Returns when it is gone. */
export async function endProcess(id: ProcessId, graceMs = 5_000): Promise<void> {
  const until = Date.now() + graceMs
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (!isAlive(id)) return
    process.kill(id.pid, signal)
    // The kernel tells nobody but the parent: look again and again.
    while (isAlive(id) && (signal === 'SIGKILL' || Date.now() < until)) await delay(LOOK_EVERY_MS)
  }
}
