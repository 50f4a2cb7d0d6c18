// A cloud as a user has it: its own process on the real driver, in a scratch folder, on free ports. Everything it made can be removed.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { openSession, type Session } from '@kilonova/cloud/session.ts'
import { stopLibvirtd } from '@kilonova/kilonova/virt/libvirt/libvirtd.ts'
import { removeStrays } from '@kilonova/kilonova/virt/network/inventory.ts'
import { namesOf } from '@kilonova/kilonova/virt/network/names.ts'
import { demoImage } from './demo-image.ts'

const MAIN = join(import.meta.dirname, '../packages/cloud/src/main.ts')
const PORTS = {
  compute: 8774,
  identity: 5000,
  image: 9292,
  network: 9696,
  metadata: 8775,
  novnc: 6080,
  serial: 6083,
} as const
/** What libvirtd learns of the machine's QEMU takes seconds to learn, and is the same for all. */
const CAPABILITIES = join(import.meta.dirname, '../.cache/qemu-capabilities')
const START_MS = 90_000
const END_MS = 20_000

export interface CloudProcess {
  readonly stateDir: string
  readonly cloudsYaml: string
  /** As in the names of all it has on the host. Known after the first start. */
  readonly installationId: () => string
  readonly url: (service: keyof typeof PORTS) => string
  /** Starts it and waits until every service is healthy; answers how many milliseconds that took. */
  start(env?: Readonly<Record<string, string>>): Promise<number>
  /** Starts it without waiting: for starts that must fail. */
  startBadly(args?: readonly string[]): Promise<Ended>
  readonly pid: () => number
  /** Everything it said since its last start. */
  readonly output: () => string
  /** Resolves when the process ends, by whatever. */
  ended(milliseconds?: number): Promise<Ended>
  stop(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): Promise<Ended>
  session(who: 'demo' | 'admin'): Promise<Session>
  /** What clients that read no clouds.yaml find in their environment. */
  openrc(who: 'demo' | 'admin'): Readonly<Record<string, string>>
  /** Ends the process, its guests and its daemons, and removes what it has on the host. */
  remove(): Promise<void>
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
}

export interface CloudChoice {
  /** Default: what a first start makes takes a moment, so tests that need no guest leave the demo server away. */
  readonly demo?: boolean
  /** `fake` for what no guest takes part in. */
  readonly driver?: 'libvirt' | 'fake'
  /** How many fake ones. */
  readonly hosts?: number
  readonly portOffset?: number
  readonly configuration?: string
  /** What runs it, before its own command line. */
  readonly launcher?: readonly string[]
}

export async function cloudProcess({
  demo = false,
  driver = 'libvirt',
  hosts = 1,
  portOffset,
  configuration,
  launcher = [],
}: CloudChoice = {}): Promise<CloudProcess> {
  const stateDir = mkdtempSync(join(tmpdir(), 'cloud-'))
  if (driver === 'libvirt') prepare(stateDir, await demoImage())
  const offset = portOffset ?? (await freeOffset())
  const url = (service: keyof typeof PORTS) => `http://127.0.0.1:${PORTS[service] + offset}`
  const options = ['--driver', driver, '--state-dir', stateDir, '--port-offset', String(offset)]
  if (driver === 'fake') options.push('--hosts', String(hosts))
  const [privateCidr, publicCidr] = freeCidrs()
  options.push('--private-cidr', privateCidr, '--public-cidr', publicCidr)
  if (!demo) options.push('--no-demo')
  if (configuration !== undefined) {
    writeFileSync(join(stateDir, 'kilonova.conf'), configuration)
    options.push('--config', join(stateDir, 'kilonova.conf'))
  }
  let running: { readonly child: ChildProcess; readonly ended: Promise<Ended> } | undefined
  let output = ''
  const installation = (): Installation =>
    JSON.parse(readFileSync(join(stateDir, 'installation.json'), 'utf8')) as Installation

  function launch(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
    output = ''
    const { NODE_TEST_CONTEXT: _, ...inherited } = process.env
    const [program = process.execPath, ...rest] = [...launcher, process.execPath, MAIN, ...args]
    const child = spawn(program, rest, {
      env: { ...inherited, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()))
    const ended = once(child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      output,
    }))
    running = { child, ended }
    return ended
  }
  const ended = async (milliseconds = END_MS): Promise<Ended> => {
    if (!running) throw new Error('it was never started')
    const late = pause(milliseconds, undefined, { ref: false }).then(() => {
      throw new Error(`it still runs after ${milliseconds} ms; it said:\n${output}`)
    })
    return Promise.race([running.ended, late])
  }

  const self: CloudProcess = {
    stateDir,
    cloudsYaml: join(stateDir, 'clouds.yaml'),
    installationId: () => installation().installationId,
    url,
    start: async (env = {}) => {
      const began = performance.now()
      let over: Ended | undefined
      void launch(options, env).then((end) => (over = end))
      const services = Object.keys(PORTS) as (keyof typeof PORTS)[]
      while (!(await allHealthy(services.map(url)))) {
        if (over)
          throw new Error(`the cloud ended with ${over.code ?? over.signal} while it started; it said:\n${output}`)
        if (performance.now() - began > START_MS) throw new Error(`the cloud is not ready; it said:\n${output}`)
        await pause(20) // nobody tells when a port begins to answer
      }
      register(installation().installationId)
      return performance.now() - began
    },
    startBadly: (args = options) => {
      void launch(args, {})
      return ended()
    },
    pid: () => running?.child.pid ?? 0,
    output: () => output,
    ended,
    stop: async (signal) => {
      running?.child.kill(signal)
      return ended()
    },
    session: (who) =>
      openSession({
        identityUrl: url('identity'),
        username: who,
        password: installation()[`${who}Password`],
        project: who,
        urls: { compute: `${url('compute')}/v2.1`, image: url('image'), network: url('network') },
      }),
    openrc: (who) => ({
      OS_AUTH_URL: `${url('identity')}/v3`,
      OS_USERNAME: who,
      OS_PASSWORD: installation()[`${who}Password`],
      OS_PROJECT_NAME: who,
      OS_USER_DOMAIN_ID: 'default',
      OS_PROJECT_DOMAIN_ID: 'default',
    }),
    remove: async () => {
      if (running && running.child.exitCode === null && running.child.signalCode === null) await self.stop('SIGKILL')
      await stopLibvirtd(stateDir)
      // It may never have come so far as to have a name.
      if (existsSync(join(stateDir, 'installation.json'))) {
        const names = namesOf(installation().installationId)
        await removeStrays(names, { namespaces: new Set(), links: new Set(), folders: new Map() })
        rmSync(names.runtimeRoot, { recursive: true, force: true })
      }
      rmSync(stateDir, { recursive: true, force: true })
    },
  }
  return self
}

type Installation = { readonly installationId: string; readonly demoPassword: string; readonly adminPassword: string }

/** What takes long to make, and is the same for every cloud, is there before it starts. */
function prepare(stateDir: string, image: string): void {
  symlinkSync(dirname(image), join(stateDir, 'demo-image'))
  mkdirSync(join(stateDir, 'libvirt'), { mode: 0o711 })
  mkdirSync(CAPABILITIES, { recursive: true, mode: 0o711 })
  symlinkSync(CAPABILITIES, join(stateDir, 'libvirt/cache'))
}

/** Lets the runner remove what a killed test leaves. */
function register(installationId: string): void {
  const scratch = process.env['KILONOVA_TEST_SCRATCH']
  if (scratch !== undefined) writeFileSync(join(scratch, 'installations', installationId), '')
}

async function allHealthy(urls: readonly string[]): Promise<boolean> {
  const answers = urls.map((url) =>
    fetch(`${url}/healthz`).then(
      async (answer) => (await answer.text(), answer.ok),
      () => false,
    ),
  )
  return (await Promise.all(answers)).every(Boolean)
}

/** An offset at which every port is free now. */
async function freeOffset(): Promise<number> {
  for (;;) {
    const offset = 1000 + Math.floor(Math.random() * 20_000)
    const free = await Promise.all(Object.values(PORTS).map((port) => isFree(port + offset)))
    if (free.every(Boolean)) return offset
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  const free = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => resolve(true))
  })
  if (free) await new Promise((resolve) => probe.close(resolve))
  return free
}

/** Two /20 that no interface of this machine has, and other tests are unlikely to choose. */
function freeCidrs(): readonly [string, string] {
  const used = Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? [])
  for (;;) {
    const second = 100 + Math.floor(Math.random() * 150)
    const third = 32 * Math.floor(Math.random() * 8)
    if (used.every((address) => !address.startsWith(`10.${second}.`)))
      return [`10.${second}.${third}.0/20`, `10.${second}.${third + 16}.0/20`]
  }
}
