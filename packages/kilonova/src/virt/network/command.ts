/** Runs a program of the host and waits for it. Arguments are a list and input is stdin: no shell ever sees them. */
import { spawn } from 'node:child_process'
import { HostError } from '../host-error.ts'

export interface CommandOptions {
  readonly input?: string
  /** Killed after that long; 10 s unless told. */
  readonly timeoutMs?: number
}

/** A fixed search path: the tools are in sbin, which a user's own PATH may lack. TMPDIR marks what a test run started. */
const environment = (): NodeJS.ProcessEnv => ({
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  ...(process.env['TMPDIR'] === undefined ? {} : { TMPDIR: process.env['TMPDIR'] }),
})

/** What it printed. Errors: HostError CommandFailed when it cannot be started, takes too long or ends with another status than 0. */
export function run(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const shown = [file, ...args].join(' ').slice(0, 200)
  return new Promise((done, fail) => {
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: environment(),
      timeout: options.timeoutMs ?? 10_000,
      killSignal: 'SIGKILL',
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.on('error', (error: NodeJS.ErrnoException) =>
      fail(failed(error.code === 'ENOENT' ? `${file} is not installed` : `${shown} cannot run`, error)),
    )
    child.on('close', (code, signal) => {
      if (code === 0) done(Buffer.concat(out).toString())
      else fail(failed(`${shown} ${signal ? `was ended by ${signal}` : `failed with ${code}`}: ${said(err)}`))
    })
    // The program may have ended before it read all: its status says what happened.
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input ?? '')
  })
}

const failed = (message: string, cause?: Error) => new HostError('CommandFailed', message, cause ? { cause } : {})
const said = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString().trim().slice(0, 2000)

const lines = (batch: readonly string[]): string => `${batch.join('\n')}\n`

/** Runs `ip` commands in one process, in the root namespace or in another; stops at the first that fails. */
export async function ipBatch(batch: readonly string[], namespace?: string): Promise<void> {
  if (batch.length > 0)
    await run('ip', [...(namespace ? ['-n', namespace] : []), '-batch', '-'], { input: lines(batch) })
}

/** The same, going on after one that fails: for what removes things that may be gone. */
export async function ipBatchForced(batch: readonly string[]): Promise<void> {
  if (batch.length > 0) await run('ip', ['-force', '-batch', '-'], { input: lines(batch) }).catch(ignoreFailure)
}

export async function tcBatch(batch: readonly string[], namespace?: string): Promise<void> {
  if (batch.length > 0)
    await run('tc', [...(namespace ? ['-n', namespace] : []), '-batch', '-'], { input: lines(batch) })
}

function ignoreFailure(error: unknown): void {
  if (!(error instanceof HostError)) throw error
}
