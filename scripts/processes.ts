// What Linux tells about processes that are not our children: read from /proc, so a pid used again is never mistaken.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

const read = (pid: number, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return '' // gone, or not ours to look at
  }
}

/** The start time in clock ticks since boot; with the pid it names one process for ever. Undefined when there is none, or a zombie. */
export const startTimeOf = (pid: number): string | undefined => {
  // The second field is the program's name in parentheses and may hold anything, so fields are counted behind it.
  const [state, ...fields] = read(pid, 'stat').split(') ').at(-1)?.split(' ') ?? []
  return state === 'Z' ? undefined : fields[18]
}

/** Program and arguments, separated by NUL; empty when the process is gone. */
export const commandLineOf = (pid: number): string => read(pid, 'cmdline')

/** Pids of living processes that name the folder in their environment or anywhere on their command line. */
export const processesMarked = (folder: string): readonly number[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => pid !== process.pid && startTimeOf(pid) !== undefined)
    .filter(
      (pid) =>
        read(pid, 'environ').split('\0').includes(`KILONOVA_TEST_SCRATCH=${folder}`) ||
        commandLineOf(pid).includes(`${folder}/`),
    )

/** Kills them all, and what they start meanwhile, until a look finds none. Answers how many there were. */
export async function killAll(find: () => readonly number[], patienceMs = 5000): Promise<number> {
  const killed = new Set<number>()
  const giveUp = Date.now() + patienceMs
  for (let pids = find(); pids.length > 0; pids = find()) {
    if (Date.now() > giveUp) throw new Error(`processes do not die: ${pids.join(' ')}`)
    for (const pid of pids) {
      killed.add(pid)
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended between the look and the kill.
      }
    }
    await pause(20) // the end of a process that is not our child cannot be awaited
  }
  return killed.size
}
