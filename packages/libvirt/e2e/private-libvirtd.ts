/** A real libvirtd of our own: its directories are bind-mounted from a scratch folder, so that no other one on the machine is touched. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from '../src/client.ts'

const DAEMON = '/usr/sbin/libvirtd'
const BOUND = ['/etc/libvirt', '/var/lib/libvirt', '/var/log/libvirt', '/var/cache/libvirt', '/run/libvirt'] as const

export interface PrivateLibvirtd {
  readonly directory: string
  readonly socket: string
  readonly tcpPort: number
  /** Kills it at once; guests go on. */
  kill(): Promise<void>
  /** Starts it again after `kill`. */
  start(): Promise<void>
  /** Ends it and its guests, and removes the folder. */
  remove(): Promise<void>
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || !address) throw new Error('no port')
  return address.port
}

export type Settings = Readonly<Record<string, string | number>>

const confText = (settings: Settings): string =>
  Object.entries(settings)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join('')

const QEMU_CONF = `
user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
`

/** `settings` are lines of libvirtd.conf, beside or in place of ours. */
export async function privateLibvirtd(settings: Settings = {}): Promise<PrivateLibvirtd> {
  const directory = await mkdtemp(join(tmpdir(), 'private-libvirtd-'))
  const sockets = join(directory, 'sockets')
  const tcpPort = await freePort()
  for (const path of BOUND) await mkdir(join(directory, path), { recursive: true })
  await mkdir(sockets)
  await cp(BOUND[3], join(directory, BOUND[3]), { recursive: true }).catch(() => {})
  const conf = join(directory, 'etc/libvirt/libvirtd.conf')
  const own: Settings = {
    unix_sock_dir: sockets,
    auth_unix_rw: 'none',
    auth_unix_ro: 'none',
    auth_tcp: 'none',
    listen_tls: 0,
    listen_tcp: 1,
    listen_addr: '127.0.0.1',
    tcp_port: String(tcpPort),
    host_uuid: randomUUID(),
  }
  await writeFile(conf, confText({ ...own, ...settings }))
  await writeFile(join(directory, 'etc/libvirt/qemu.conf'), QEMU_CONF)
  const mounts = BOUND.map((path) => `mkdir -p ${path}; mount --bind ${join(directory, path)} ${path}`).join('; ')
  const script = `${mounts}; exec ${DAEMON} --listen -f /etc/libvirt/libvirtd.conf -p ${join(directory, 'pid')}`
  const socket = join(sockets, 'libvirt-sock')
  let child: ChildProcess | undefined

  const start = async (): Promise<void> => {
    const log = join(directory, 'log')
    child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', `exec 2>>${log}; ${script}`], {
      stdio: 'ignore',
    })
    const over = once(child, 'exit').then(
      ([code]) => code as number | null,
      (error: Error) => error,
    )
    const alive = { over: false, how: '' }
    void over.then((how) => Object.assign(alive, { over: true, how: String(how) }))
    for (const end = Date.now() + 60_000; Date.now() < end && !alive.over; await pause(50)) {
      const client = await connect({ path: socket }, { timeoutMs: 30_000, keepalive: false }).catch(() => undefined)
      if (client) return client.close()
    }
    throw new Error(
      `${DAEMON} does not serve (${alive.over ? `ended: ${alive.how}` : 'still starting'}): ${await readFile(log, 'utf8').catch(() => '')}`,
    )
  }
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill(signal)
    await exit
  }
  const remove = async (): Promise<void> => {
    await kill('SIGTERM')
    for (const pid of await guests(join(directory, 'run/libvirt/qemu'))) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended by itself.
      }
    }
    await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    await start()
  } catch (error) {
    await remove()
    throw error
  }
  return { directory, socket, tcpPort, start, kill: () => kill(), remove }
}

async function guests(runDirectory: string): Promise<number[]> {
  const files = (await readdir(runDirectory).catch((): string[] => [])).filter(
    (file) => file.endsWith('.pid') && file !== 'driver.pid',
  )
  const texts = await Promise.all(files.map((file) => readFile(join(runDirectory, file), 'utf8')))
  return texts.map(Number).filter((pid) => pid > 1)
}
