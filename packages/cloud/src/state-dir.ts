/** The folder of all state: one process at a time, an installation id and secrets made at first start and never fixed. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface Secrets {
  readonly adminPassword: string
  readonly demoPassword: string
  readonly servicePassword: string
  readonly metadataSecret: string
}

export interface StateDir {
  readonly path: string
  /** 6 hex digits: part of every name on the host. */
  readonly installationId: string
  readonly secrets: Secrets
  /** Things that are done once in the life of an installation. */
  done(what: string): boolean
  markDone(what: string): void
  release(): void
}

export class StateDirInUseError extends Error {
  override readonly name = 'StateDirInUseError'
}

/** Errors: StateDirInUseError; the system's when it cannot be written. */
export function openStateDir(path: string): StateDir {
  makeFolder(path, 0o711)
  makeFolder(join(path, 'log'), 0o750)
  const lock = lockOf(path)
  const kept = keep(join(path, 'installation.json'), () => ({
    installationId: randomBytes(3).toString('hex'),
    adminPassword: password(),
    demoPassword: password(),
    servicePassword: password(),
    metadataSecret: password(),
  }))
  const marker = (what: string) => join(path, `${what}.done`)
  return {
    path,
    installationId: kept.installationId,
    secrets: kept,
    done: (what) => existsSync(marker(what)),
    markDone: (what) => writeFileSync(marker(what), ''),
    release: () => rmSync(lock, { force: true }),
  }
}

/** One level after the other: Node's own `recursive` never ends where a folder cannot be made in its parent, as in /proc. */
function makeFolder(path: string, mode: number): void {
  if (existsSync(path)) return
  makeFolder(dirname(path), 0o755)
  mkdirSync(path, { mode })
}

const password = (): string => randomBytes(18).toString('base64url')

/** Written whole or not at all: a rename. */
function keep<T>(file: string, make: () => T): T {
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as T
  const value = make()
  writeFileSync(`${file}.new`, JSON.stringify(value), { mode: 0o600, flush: true })
  renameSync(`${file}.new`, file)
  return value
}

/** A pid file that names the process and when it began, so that one of a dead process is known as such. */
function lockOf(path: string): string {
  const file = join(path, 'kilonova.pid')
  const holder = existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
  const [pid = '', startTime = ''] = holder.split(' ')
  if (/^\d+$/.test(pid) && startTime !== '' && startTimeOf(pid) === startTime && Number(pid) !== process.pid)
    throw new StateDirInUseError(`${path} is in use by process ${pid}: stop that one, or give another --state-dir`)
  writeFileSync(file, `${process.pid} ${startTimeOf(String(process.pid)) ?? ''}\n`, { mode: 0o644 })
  return file
}

/** Field 22 of /proc/<pid>/stat; undefined when there is no such process. */
function startTimeOf(pid: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}
