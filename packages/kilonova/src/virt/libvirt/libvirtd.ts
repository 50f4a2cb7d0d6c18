/**
 * Our own libvirtd and virtlogd, with files, sockets and guests of their own under `<state-dir>/libvirt/`, beside any other
 * libvirtd of the machine. They outlive us: guests run on when we stop, and the next start finds them by their pid files.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '@kilonova/base/log.ts'
import { connect } from '@kilonova/libvirt/client.ts'
import { HostError } from '../host-error.ts'
import { configFiles } from './libvirtd-conf.ts'
import { endProcess, isAlive, startTimeOf, type ProcessId } from './process.ts'

export interface Libvirtd {
  readonly socketPath: string
  readonly pid: number
}

/** The first start on a machine asks every QEMU what it can do; later ones read that from the cache. */
const START_TIMEOUT_MS = 60_000
const DAEMONS = {
  virtlogd: { program: '/usr/sbin/virtlogd', socket: 'virtlogd-sock' },
  libvirtd: { program: '/usr/sbin/libvirtd', socket: 'libvirt-sock' },
} as const
type Daemon = keyof typeof DAEMONS

const folderOf = (stateDir: string): string => join(stateDir, 'libvirt')

export interface LibvirtdOptions {
  readonly stateDir: string
  readonly log: Log
  /** Where it keeps what it learned of the machine's QEMU, which takes seconds to learn; may be shared. Default with the state. */
  readonly cacheDir?: string
}

/** Finds the daemons of this state directory running, or starts them. Returns when libvirtd answers. */
export async function ensureLibvirtd({ stateDir, log, cacheDir }: LibvirtdOptions): Promise<Libvirtd> {
  const folder = folderOf(stateDir)
  const socketPath = join(folder, 'run', DAEMONS.libvirtd.socket)
  prepare(folder, cacheDir)
  if (!runningDaemon(folder, 'virtlogd')) start(folder, 'virtlogd')
  const found = runningDaemon(folder, 'libvirtd')
  const { pid, startTime } = found ?? start(folder, 'libvirtd')
  await answers(folder, { pid, startTime }, socketPath)
  log.info(found ? 'found our libvirtd running' : 'started our libvirtd', { pid, socket: socketPath })
  return { socketPath, pid }
}

/** Ends the guests and the daemons of a state directory. */
export async function stopLibvirtd(stateDir: string): Promise<void> {
  const folder = folderOf(stateDir)
  const daemons = (['libvirtd', 'virtlogd'] as const).flatMap((daemon) => runningDaemon(folder, daemon) ?? [])
  // The daemon first: it would tell, and clean up after, each guest that ends.
  for (const daemon of daemons.slice(0, 1)) await endProcess(daemon)
  await Promise.all(guestProcesses(folder).map((guest) => endProcess(guest)))
  for (const daemon of daemons.slice(1)) await endProcess(daemon)
}

function prepare(folder: string, cacheDir: string | undefined): void {
  for (const part of ['etc', 'lib', 'log', 'run']) mkdirSync(join(folder, part), { recursive: true, mode: 0o711 })
  const cache = join(folder, 'cache')
  if (cacheDir !== undefined && !existsSync(cache)) {
    mkdirSync(cacheDir, { recursive: true, mode: 0o711 })
    symlinkSync(cacheDir, cache)
  }
  mkdirSync(cache, { recursive: true, mode: 0o711 })
  const uuidFile = join(folder, 'host-uuid')
  if (!existsSync(uuidFile)) writeFileSync(uuidFile, randomUUID())
  const files = configFiles({ hostUuid: readFileSync(uuidFile, 'utf8').trim() })
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, 'etc', name), content)
}

const pidFile = (folder: string, daemon: Daemon): string => join(folder, `${daemon}.pid`)

function runningDaemon(folder: string, daemon: Daemon): ProcessId | undefined {
  const path = pidFile(folder, daemon)
  if (!existsSync(path)) return undefined
  const [pid = 0, startTime = 0] = readFileSync(path, 'utf8').split(' ').map(Number)
  return isAlive({ pid, startTime }) ? { pid, startTime } : undefined
}

function start(folder: string, daemon: Daemon): ProcessId {
  const { program, socket } = DAEMONS[daemon]
  rmSync(join(folder, 'run', socket), { force: true })
  const output = openSync(join(folder, 'log', `${daemon}.out`), 'a', 0o640)
  const script = join(import.meta.dirname, 'libvirtd.sh')
  const command = [program, '--pid-file', `/run/libvirt/${daemon}.pid`]
  const child = spawn('unshare', ['--mount', '--propagation', 'slave', '/bin/sh', script, folder, ...command], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', output, output],
  })
  closeSync(output)
  child.on('error', () => {})
  child.unref()
  const startTime = child.pid === undefined ? undefined : startTimeOf(child.pid)
  if (child.pid === undefined || startTime === undefined) throw unavailable(folder, `${daemon} cannot be started`)
  writeFileSync(pidFile(folder, daemon), `${child.pid} ${startTime}`)
  return { pid: child.pid, startTime }
}

/** Asks until it answers, ends, or has had its time. */
async function answers(folder: string, daemon: ProcessId, socketPath: string): Promise<void> {
  const until = Date.now() + START_TIMEOUT_MS
  for (let wait = 10; ; wait = Math.min(200, wait * 2)) {
    try {
      const client = await connect({ path: socketPath }, { timeoutMs: 15_000, keepalive: false })
      return await client.close()
    } catch (error) {
      if (!isAlive(daemon)) throw unavailable(folder, 'libvirtd ended while it started', error)
      if (Date.now() > until) throw unavailable(folder, 'libvirtd does not answer', error)
    }
    await delay(wait)
  }
}

function unavailable(folder: string, what: string, cause?: unknown): HostError {
  const said = ['libvirtd.out', 'libvirtd.log']
    .map((name) => join(folder, 'log', name))
    .flatMap((path) => (existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n').slice(-3) : []))
  return new HostError('HypervisorUnavailable', [`${what}; it said:`, ...said].join('\n'), { cause, retryable: true })
}

/** libvirtd keeps a pid file for each guest. */
function guestProcesses(folder: string): ProcessId[] {
  const states = join(folder, 'run', 'qemu')
  if (!existsSync(states)) return []
  return readdirSync(states)
    .filter((name) => name.endsWith('.pid'))
    .flatMap((name) => {
      const pid = Number(readFileSync(join(states, name), 'utf8'))
      const startTime = startTimeOf(pid)
      return startTime === undefined || !isQemu(pid) ? [] : [{ pid, startTime }]
    })
}

const isQemu = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0]?.includes('qemu') ?? false
  } catch {
    return false
  }
}
