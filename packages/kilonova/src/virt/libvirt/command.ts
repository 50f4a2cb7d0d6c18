/** Runs a program to its end: arguments as a list, a time limit, and its own words when it fails. */
import { spawn } from 'node:child_process'
import { HostError } from '../host-error.ts'

export interface CommandOptions {
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  readonly cwd?: string
  /** For programs that read what users gave us: seconds of processor time, bytes of memory, and bytes of one file that they may take. */
  readonly limits?: { readonly cpuSeconds: number; readonly memoryBytes: number; readonly fileBytes?: number }
}

const MAX_OUTPUT_BYTES = 1024 * 1024

/** What it wrote to its standard output. */
export async function command(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { timeoutMs = 60_000, signal, cwd = '/', limits } = options
  const limited = limits ? ['prlimit', ...limitArgs(limits), program, ...args] : [program, ...args]
  const [first = program, ...rest] = limited
  const abort = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])])
  const child = spawn(first, rest, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    // A group of its own: what the program started itself ends with it, and keeps no pipe open.
    detached: true,
  })
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch (error) {
      // It ended just now.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  if (abort.aborted) end()
  else abort.addEventListener('abort', end, { once: true })
  let output = ''
  let errors = ''
  child.stdout
    .setEncoding('utf8')
    .on('data', (text: string) => void (output.length < MAX_OUTPUT_BYTES && (output += text)))
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (errors = (errors + text).slice(-2000)))
  const { promise, resolve, reject } = Promise.withResolvers<number | string>()
  child.on('close', (code, killedBy) => {
    abort.removeEventListener('abort', end)
    resolve(code ?? killedBy ?? 'unknown')
  })
  child.on('error', reject)
  const code = await promise.catch((cause: unknown) => {
    throw new HostError(
      'CommandFailed',
      `${program} cannot be run: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    )
  })
  signal?.throwIfAborted()
  if (code === 0) return output
  const said = errors.trim()
  if (/No space left on device/i.test(said))
    throw new HostError('DiskFull', 'the disk is full', { cause: new Error(said) })
  const why = abort.aborted ? `took longer than ${timeoutMs} ms` : `ended with ${code}`
  throw new HostError('CommandFailed', `${program} ${why}${said ? `: ${said}` : ''}`, { retryable: abort.aborted })
}

const limitArgs = ({
  cpuSeconds,
  memoryBytes,
  fileBytes,
}: NonNullable<CommandOptions['limits']>): readonly string[] => [
  `--cpu=${cpuSeconds}`,
  `--as=${memoryBytes}`,
  '--core=0',
  ...(fileBytes === undefined ? [] : [`--fsize=${fileBytes}`]),
]
