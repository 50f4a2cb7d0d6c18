/** A cloud to measure: a process of its own, started as users start it, with everything in a folder that is removed at the end. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export interface MeasuredCloud {
  readonly stateDir: string
  readonly urls: Readonly<Record<'identity' | 'compute' | 'image' | 'network', string>>
  /** From the start of the process to a /healthz of 200, seconds. */
  readonly readySeconds: number
  residentMb(): number
  call(
    method: string,
    url: string,
    body?: unknown,
    token?: string,
  ): Promise<{
    readonly status: number
    readonly body: unknown
    readonly token: string | undefined
    readonly ms: number
  }>
  /** The time of a GET whose answer is not parsed: what a client does with it is not the server's time. */
  raw(url: string, token: string): Promise<{ readonly ms: number }>
  /** Of an entry of clouds.yaml. */
  login(name?: 'kilonova' | 'kilonova-admin'): Promise<string>
  stop(): Promise<void>
}

const PORTS = { compute: 8774, identity: 5000, image: 9292, network: 9696 } as const
const ROOT = join(import.meta.dirname, '..')

export async function startCloud(args: readonly string[]): Promise<MeasuredCloud> {
  const stateDir = mkdtempSync(join(tmpdir(), 'kilonova-bench-'))
  const offset = await freeOffset()
  const urls = Object.fromEntries(
    Object.entries(PORTS).map(([name, port]) => [name, `http://127.0.0.1:${port + offset}`]),
  ) as MeasuredCloud['urls']
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const began = performance.now()
  const child = spawn(
    join(ROOT, 'scripts/start'),
    ['--state-dir', stateDir, '--port-offset', String(offset), ...args],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const ended = once(child, 'exit')
  const call: MeasuredCloud['call'] = (method, url, body, token) => exchange(agent, method, url, body, token)
  await healthy(child, () => call('GET', `${urls.compute}/healthz`))
  return {
    stateDir,
    urls,
    readySeconds: (performance.now() - began) / 1000,
    residentMb: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024,
    call,
    raw: (url, token) => exchange(agent, 'GET', url, undefined, token, () => undefined),
    login: async (name = 'kilonova') => {
      const entry = readFileSync(join(stateDir, 'clouds.yaml'), 'utf8').split(`  ${name}:`)[1] ?? ''
      const said = (field: string) => new RegExp(`${field}: "([^"]+)"`).exec(entry)?.[1]
      const domain = { id: 'default' }
      const auth = {
        identity: {
          methods: ['password'],
          password: { user: { name: said('username'), password: said('password'), domain } },
        },
        scope: { project: { name: said('project_name'), domain } },
      }
      const { token } = await call('POST', `${urls.identity}/v3/auth/tokens`, { auth })
      if (token === undefined) throw new Error('login failed')
      return token
    },
    stop: async () => {
      agent.destroy()
      child.kill('SIGINT')
      await ended
      // Guests, libvirtd and networks outlive the process.
      if (args.includes('fake')) rmSync(stateDir, { recursive: true, force: true })
      else execFileSync(join(ROOT, 'scripts/remove-state'), ['--yes', stateDir], { stdio: 'ignore' })
    },
  }
}

async function healthy(child: ChildProcess, ask: () => Promise<{ status: number }>): Promise<void> {
  for (const until = performance.now() + 300_000; performance.now() < until; await delay(10)) {
    if (child.exitCode !== null) throw new Error(`the cloud ended with ${child.exitCode}`)
    const status = await ask().then(
      (answer) => answer.status,
      () => 0,
    )
    if (status === 200) return
  }
  throw new Error('the cloud was not ready within 300 s')
}

function exchange(
  agent: Agent,
  method: string,
  url: string,
  body: unknown,
  token: string | undefined,
  parse: (text: string) => unknown = JSON.parse,
): ReturnType<MeasuredCloud['call']> {
  const began = performance.now()
  const payload = body === undefined ? undefined : JSON.stringify(body)
  const headers = {
    accept: 'application/json',
    'x-openstack-nova-api-version': '2.79',
    ...(token === undefined ? {} : { 'x-auth-token': token }),
    ...(payload === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
  }
  return new Promise((done, fail) => {
    const out = request(url, { method, headers, agent }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', fail)
      answer.on('end', () => {
        const ms = performance.now() - began
        const text = Buffer.concat(chunks).toString()
        const subject = answer.headers['x-subject-token']
        done({
          status: answer.statusCode ?? 0,
          body: text === '' ? undefined : parse(text),
          token: typeof subject === 'string' ? subject : undefined,
          ms,
        })
      })
    })
    out.on('error', fail)
    out.end(payload)
  })
}

/** One at which all our ports are free. */
async function freeOffset(): Promise<number> {
  for (let offset = 20_000; offset < 50_000; offset += 137) {
    const free = await Promise.all([8774, 8775, 5000, 9292, 9696, 6080, 6083].map((port) => isFree(port + offset)))
    if (free.every(Boolean)) return offset
  }
  throw new Error('no free ports')
}
const isFree = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const probe = createServer()
      .once('error', () => done(false))
      .listen(port, '127.0.0.1', () => probe.close(() => done(true)))
  })
