// A stand-in for a virtual machine: a namespace of its own whose card is the other end of the link that a port's tap would be.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export interface Outcome {
  readonly ok: boolean
  readonly text: string
}

/** Runs a program and says how it ended; never throws. */
export const attempt = (file: string, ...args: string[]): Promise<Outcome> =>
  new Promise((done) => {
    execFile(file, args, { timeout: 30_000, killSignal: 'SIGKILL' }, (error, stdout, stderr) =>
      done({ ok: error === null, text: `${stdout}${stderr}` }),
    )
  })

async function must(file: string, ...args: string[]): Promise<string> {
  const { ok, text } = await attempt(file, ...args)
  if (!ok) throw new Error(`${file} ${args.join(' ')}: ${text}`)
  return text
}

export interface Lease {
  readonly ip: string
  readonly [field: string]: string | undefined
}

export interface Talk {
  /** Whether what is said comes back within a second. */
  answers(): Promise<boolean>
}

export interface VethGuest {
  /** Runs a program inside. */
  run(file: string, ...args: string[]): Promise<Outcome>
  /** Asks for an address and sets it up as a guest does. Undefined: nobody answered. */
  dhcp(): Promise<Lease | undefined>
  /** The first line that a connection gets; undefined where there is none. */
  connect(address: string, port: number): Promise<string | undefined>
  /** Opens a connection to an echo and keeps it. */
  talk(address: string, port: number): Promise<Talk>
  /** Echoes what connections send until the guest is removed. */
  echo(port: number): Promise<void>
  /** Takes what connections send until the guest is removed. */
  drain(port: number): Promise<void>
  /** Sends over one connection as fast as it can, until it is told to end. */
  pour(address: string, port: number): { end(): Promise<void> }
  /** All that its card has received, in bytes. */
  received(): Promise<number>
  ping(address: string, ...options: string[]): Promise<boolean>
  /** Serves `hello` on a port until the guest is removed. */
  serve(port: number): Promise<void>
  setMac(mac: string): Promise<void>
  remove(): Promise<void>
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}

const LEASE_SCRIPT = `#!/bin/sh
[ "$1" = bound ] || exit 0
export -p | sed -n "s/^export \\([a-z0-9]*\\)='\\(.*\\)'$/lease \\1=\\2/p"
ip link set "$interface" mtu "\${mtu:-1500}"
ip addr add "$ip/$mask" dev "$interface"
set -- $staticroutes
while [ $# -ge 2 ]; do
  if [ "$2" = 0.0.0.0 ]; then ip route add "$1" dev "$interface"; else ip route add "$1" via "$2" dev "$interface"; fi
  shift 2
done
`

export async function vethGuest(namespace: string, tap: string, mac: string): Promise<VethGuest> {
  const folder = join(tmpdir(), `guest-${namespace}`)
  mkdirSync(folder, { recursive: true })
  const script = join(folder, 'lease')
  writeFileSync(script, LEASE_SCRIPT)
  chmodSync(script, 0o755)
  const pids: number[] = []

  await must('ip', 'netns', 'add', namespace)
  await must('ip', 'link', 'add', tap, 'type', 'veth', 'peer', 'name', 'eth0', 'address', mac, 'netns', namespace)
  await must('ip', '-n', namespace, 'link', 'set', 'lo', 'up')
  await must('ip', '-n', namespace, 'link', 'set', 'eth0', 'up')
  const run: VethGuest['run'] = (file, ...args) => attempt('nsenter', `--net=/run/netns/${namespace}`, file, ...args)
  const listen = async (port: number, program: string): Promise<void> => {
    const { text } = await run('sh', '-c', `busybox nc -ll -p ${port} -e ${program} >/dev/null 2>&1 & echo $!`)
    pids.push(Number(text))
    while (!(await run('ss', '-Hltn', `sport = ${port}`)).text.includes(`:${port}`));
  }
  return {
    run,
    dhcp: async () => {
      const { text } = await run(
        'busybox',
        'udhcpc',
        '-i',
        'eth0',
        '-n',
        '-q',
        '-t',
        '4',
        '-T',
        '1',
        '-O',
        'mtu',
        '-O',
        'staticroutes',
        '-s',
        script,
      )
      const fields = Object.fromEntries(
        [...text.matchAll(/^lease (\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
      )
      return fields['ip'] === undefined ? undefined : { ...fields, ip: fields['ip'] }
    },
    connect: async (address, port) => {
      const { ok, text } = await run('busybox', 'nc', '-w', '1', address, String(port))
      return ok ? text.split('\n')[0] : undefined
    },
    ping: async (address, ...options) => (await run('ping', '-n', '-c', '1', '-W', '1', ...options, address)).ok,
    serve: (port) => listen(port, 'echo hello'),
    echo: (port) => listen(port, 'cat'),
    drain: (port) => listen(port, 'dd of=/dev/null bs=64k'),
    pour: (address, port) => {
      const zeros = openSync('/dev/zero', 'r')
      const program = ['busybox', 'nc', address, String(port)]
      const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, ...program], {
        stdio: [zeros, 'ignore', 'ignore'],
      })
      closeSync(zeros)
      const exit = once(child, 'exit')
      return {
        end: async () => {
          child.kill('SIGKILL')
          await exit
        },
      }
    },
    received: async () => {
      const { text } = await run('ip', '-j', '-s', 'link', 'show', 'eth0')
      const [card] = JSON.parse(text) as { stats64: { rx: { bytes: number } } }[]
      return card?.stats64.rx.bytes ?? 0
    },
    talk: async (address, port) => {
      const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, 'busybox', 'nc', address, String(port)], {
        stdio: ['pipe', 'pipe', 'ignore'],
      })
      if (child.pid !== undefined) pids.push(child.pid)
      let heard = ''
      let count = 0
      child.stdout.on('data', (data: Buffer) => (heard += data.toString()))
      child.stdin.on('error', () => undefined)
      return {
        answers: async () => {
          const word = `word-${count++}`
          child.stdin.write(`${word}\n`)
          for (let tries = 0; tries < 100 && !heard.includes(`${word}\n`); tries++) await delay(10)
          return heard.includes(`${word}\n`)
        },
      }
    },
    setMac: async (address) => {
      await must('ip', '-n', namespace, 'link', 'set', 'eth0', 'address', address)
    },
    remove: async () => {
      for (const pid of pids) end(pid)
      await must('ip', 'netns', 'delete', namespace)
      rmSync(folder, { recursive: true })
    },
  }
}
