/**
 * Our own libvirtd and virtlogd, with files, sockets and guests of their own under `<state-dir>/libvirt/`, beside any other
 * libvirtd of the machine. They outlive us: guests run on when we stop, and the next start finds them by their pid files.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '@kilonova/base/log.ts'
import { retry } from '@kilonova/base/retry.ts'
import { connect } from '@kilonova/libvirt/client.ts'
import { HostError } from '../host-error.ts'
import { command } from './command.ts'
import { configFiles } from './libvirtd-conf.ts'
import { endProcess, isAlive, startTimeOf, type ProcessId } from './process.ts'

export interface Libvirtd {
  readonly socketPath: string
  readonly pid: number
}

/** The first start on a machine asks every QEMU what it can do; later ones read that from the cache. */
const START_TIMEOUT_MS = 60_000
/** What `sockaddr_un` holds. */
const MAX_SOCKET_PATH = 107
const DAEMONS = {
  virtlogd: { program: '/usr/sbin/virtlogd', socket: 'virtlogd-sock' },
  libvirtd: { program: '/usr/sbin/libvirtd', socket: 'libvirt-sock' },
} as const
type Daemon = keyof typeof DAEMONS

const folderOf = (stateDir: string): string => join(stateDir, 'libvirt')

export interface LibvirtdOptions {
  readonly stateDir: string
  /** Where guests' files are: QEMU is let through to it. */
  readonly instancesDir: string
  readonly log: Log
  /** Where it keeps what it learned of the machine's QEMU, which takes seconds to learn; may be shared. Default with the state. */
  readonly cacheDir?: string
}

/**
 * Finds the daemons of this state directory running, or starts them. Returns when libvirtd answers. One that was started with
 * another configuration is replaced; guests run on meanwhile.
 */
export async function ensureLibvirtd({ stateDir, instancesDir, log, cacheDir }: LibvirtdOptions): Promise<Libvirtd> {
  const folder = folderOf(stateDir)
  const socketPath = socketOf(folder, 'libvirtd')
  if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH)
    throw new HostError(
      'HypervisorUnavailable',
      `the path of the state directory is too long for a socket in it: ${socketPath}`,
    )
  mkdirSync(instancesDir, { recursive: true, mode: 0o711 })
  const changed = prepare(folder, cacheDir)
  await answers(
    folder,
    runningDaemon(folder, 'virtlogd') ?? (await start(folder, instancesDir, 'virtlogd')),
    logdAnswers,
  )
  const old = runningDaemon(folder, 'libvirtd')
  if (old && changed) await endProcess(old)
  const found = changed ? undefined : old
  if (!found) await Promise.all(probes(folder).map((probe) => endProcess(probe)))
  const { pid, startTime } = found ?? (await start(folder, instancesDir, 'libvirtd'))
  await answers(folder, { pid, startTime }, libvirtdAnswers)
  if (!found) await freeProcessors({ pid, startTime })
  log.info(found ? 'found our libvirtd running' : 'started our libvirtd', { pid, socket: socketPath })
  return { socketPath, pid }
}

/** Ends the guests and the daemons of a state directory. */
export async function stopLibvirtd(stateDir: string): Promise<void> {
  const folder = folderOf(stateDir)
  const daemons = (['libvirtd', 'virtlogd'] as const).flatMap((daemon) => runningDaemon(folder, daemon) ?? [])
  // The daemon first: it would tell, and clean up after, each guest that ends.
  for (const daemon of daemons.slice(0, 1)) await endProcess(daemon)
  await Promise.all([...guestProcesses(folder), ...probes(folder)].map((qemu) => endProcess(qemu)))
  for (const daemon of daemons.slice(1)) await endProcess(daemon)
}

/** True when a configuration was there and said something else. */
function prepare(folder: string, cacheDir: string | undefined): boolean {
  for (const part of ['etc', 'lib', 'log', 'run']) mkdirSync(join(folder, part), { recursive: true, mode: 0o711 })
  const cache = join(folder, 'cache')
  if (cacheDir !== undefined && !existsSync(cache)) {
    mkdirSync(cacheDir, { recursive: true, mode: 0o711 })
    symlinkSync(cacheDir, cache)
  }
  mkdirSync(cache, { recursive: true, mode: 0o711 })
  afterReboot(folder)
  const uuidFile = join(folder, 'host-uuid')
  if (!existsSync(uuidFile)) writeFileSync(uuidFile, randomUUID())
  const files = configFiles({ hostUuid: readFileSync(uuidFile, 'utf8').trim() })
  let changed = false
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, 'etc', name)
    changed ||= existsSync(path) && readFileSync(path, 'utf8') !== content
    writeFileSync(path, content)
  }
  return changed
}

/**
 * What ran before the machine restarted runs no more. libvirtd would believe its notes, and might end a process that has a
 * number it knew: on a system's libvirtd they lie on a file system that a restart empties.
 */
function afterReboot(folder: string): void {
  const path = join(folder, 'boot-id')
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')
  if (existsSync(path) && readFileSync(path, 'utf8') === boot) return
  for (const name of readdirSync(join(folder, 'run'))) rmSync(join(folder, 'run', name), { recursive: true })
  for (const daemon of Object.keys(DAEMONS)) rmSync(join(folder, `${daemon}.pid`), { force: true })
  writeFileSync(path, boot)
}

/**
 * A libvirtd that died just before it made a guest's process left the note that it is starting one. The next libvirtd believes
 * it, looks for no process where there is no number of one, and keeps everybody waiting for that guest for ever.
 */
function forgetUnborn(folder: string): void {
  const states = join(folder, 'run', 'qemu')
  for (const name of existsSync(states) ? readdirSync(states) : []) {
    const path = join(states, name)
    if (name.endsWith('.xml') && /^\s*<domstatus [^>]*\bpid='0'/m.test(readFileSync(path, 'utf8'))) rmSync(path)
  }
}

const socketOf = (folder: string, daemon: Daemon): string => join(folder, 'run', DAEMONS[daemon].socket)
const pidFile = (folder: string, daemon: Daemon): string => join(folder, `${daemon}.pid`)

function runningDaemon(folder: string, daemon: Daemon): ProcessId | undefined {
  const path = pidFile(folder, daemon)
  if (!existsSync(path)) return undefined
  const [pid = 0, startTime = 0] = readFileSync(path, 'utf8').split(' ').map(Number)
  return isAlive({ pid, startTime }) ? { pid, startTime } : undefined
}

async function start(folder: string, instancesDir: string, daemon: Daemon): Promise<ProcessId> {
  const { program } = DAEMONS[daemon]
  rmSync(socketOf(folder, daemon), { force: true })
  if (daemon === 'libvirtd') forgetUnborn(folder)
  const output = openSync(join(folder, 'log', `${daemon}.out`), 'a', 0o640)
  const here = (name: string): string => join(import.meta.dirname, name)
  const ownFolders = [
    'unshare',
    '--mount',
    '--propagation',
    'slave',
    '/bin/sh',
    here('libvirtd.sh'),
    folder,
    instancesDir,
  ]
  const command = [program, '--pid-file', `/run/libvirt/${daemon}.pid`]
  const child = spawn('perl', [here('parent.pl'), pidFile(folder, daemon), ...ownFolders, ...command], {
    cwd: '/',
    // It outlives us, and every guest inherits from it: none of our environment but what says where temporary files go.
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TMPDIR: tmpdir() },
    detached: true,
    stdio: ['ignore', output, output, 'pipe'],
  })
  closeSync(output)
  child.on('error', () => {})
  child.unref()
  const told = child.stdio[3] as Readable
  await once(told.resume(), 'close')
  const running = runningDaemon(folder, daemon)
  if (!running) throw unavailable(folder, `${daemon} cannot be started`)
  return running
}

/** Asks until it answers, ends, or has had its time. */
async function answers(folder: string, daemon: ProcessId, ask: (folder: string) => Promise<void>): Promise<void> {
  const until = Date.now() + START_TIMEOUT_MS
  for (let wait = 10; ; wait = Math.min(200, wait * 2)) {
    try {
      return await ask(folder)
    } catch (error) {
      if (!isAlive(daemon)) throw unavailable(folder, 'libvirtd ended while it started', error)
      if (Date.now() > until) throw unavailable(folder, 'libvirtd does not answer', error)
    }
    await delay(wait)
  }
}

async function libvirtdAnswers(folder: string): Promise<void> {
  const client = await connect({ path: socketOf(folder, 'libvirtd') }, { timeoutMs: 15_000, keepalive: false })
  await client.close()
}

async function logdAnswers(folder: string): Promise<void> {
  const socket = connectSocket({ path: socketOf(folder, 'virtlogd') })
  await once(socket, 'connect').finally(() => socket.destroy())
}

/**
 * It was started on one processor (libvirtd.sh says why); from now on it may use those that we may. A thread that ends while
 * its list is worked through fails the whole: then again, from the start.
 */
async function freeProcessors(daemon: ProcessId): Promise<void> {
  const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  if (allowed === undefined) return
  await retry(() => command('taskset', ['--all-tasks', '--cpu-list', '--pid', allowed, String(daemon.pid)]), {
    tries: 20,
    firstDelayMs: 5,
    maxDelayMs: 50,
    transient: (error) => error instanceof Error && error.message.includes('No such process') && isAlive(daemon),
  })
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

/** QEMUs that a libvirtd asked what they can do when it was killed: nobody else ends them. They see our folder as /run/libvirt. */
function probes(folder: string): ProcessId[] {
  const ours = statSync(join(folder, 'run'), { throwIfNoEntry: false })
  if (!ours) return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isProbe(Number(name)))
    .flatMap((name) => {
      const seen = statSync(`/proc/${name}/root/run/libvirt`, { throwIfNoEntry: false })
      const startTime = startTimeOf(Number(name))
      const isOurs = seen?.ino === ours.ino && seen.dev === ours.dev
      return isOurs && startTime !== undefined ? [{ pid: Number(name), startTime }] : []
    })
}

/** Of a process that is gone: nothing. */
function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
const isQemu = (pid: number): boolean => commandLineOf(pid).split('\0')[0]?.includes('qemu') ?? false
const isProbe = (pid: number): boolean => isQemu(pid) && commandLineOf(pid).includes('/qmp-')
