// The field's own test suite of the Compute API, run by its own runner against a cloud, and judged beside what real Nova does with it.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cloudProcess, type CloudProcess } from '../cloud-process.ts'
import { prepare, type Access } from './cloud-under-test.ts'
import { configuration } from './configuration.ts'
import { judge, readBaseline, readExcuses, type Excuse, type Outcome, type Verdict } from './judge.ts'

const SUITE = '^tempest\\.api\\.compute\\.'
const CONCURRENCY = 2
/** Two for what takes one server to another host or keeps two apart. */
const HOSTS = 2
/** Of a cloud with real guests. */
const ONE_HOST: Excuse = { pattern: 'MultiNodesTest\\.', reason: 'there is one host' }
const SHOWN = 40
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { driver: { type: 'string', default: 'fake' } },
})
if (values.driver !== 'fake' && values.driver !== 'libvirt') throw new Error('--driver is fake or libvirt')

const WORKSPACE = join(import.meta.dirname, '../../.cache/tempest', values.driver)
const print = (line: string) => process.stdout.write(`${line}\n`)
const read = (file: string): string => readFileSync(join(import.meta.dirname, file), 'utf8')
/** Debian's Python and its packages, whatever else is on PATH. */
const environment = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', HOME: join(WORKSPACE, 'home') }

async function own(driver: 'fake' | 'libvirt'): Promise<readonly [CloudProcess, Access]> {
  const cloud = await cloudProcess({ driver, ...(driver === 'fake' ? { hosts: HOSTS } : {}) })
  try {
    await cloud.start()
  } catch (error) {
    await cloud.remove()
    throw error
  }
  const { adminPassword } = JSON.parse(readFileSync(join(cloud.stateDir, 'installation.json'), 'utf8')) as {
    adminPassword: string
  }
  const authUrl = `${cloud.url('identity')}/v3`
  return [cloud, { authUrl, username: 'admin', password: adminPassword, project: 'admin' }]
}

function given(): Access | undefined {
  const { OS_AUTH_URL: authUrl, OS_USERNAME: username, OS_PASSWORD: password, OS_PROJECT_NAME: project } = process.env
  if (authUrl === undefined) return undefined
  if (username === undefined || password === undefined || project === undefined)
    throw new Error('OS_AUTH_URL is set, but not OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME')
  return { authUrl, username, password, project }
}

async function outcomesOf(access: Access, regex: string, isFake: boolean): Promise<readonly Outcome[]> {
  rmSync(WORKSPACE, { recursive: true, force: true })
  mkdirSync(environment.HOME, { recursive: true })
  const folder = join(WORKSPACE, 'run')
  execFileSync('tempest', ['init', folder], { env: environment, stdio: 'pipe' })
  const cloud = await prepare(access, isFake ? { hw_qemu_guest_agent: 'yes' } : {})
  writeFileSync(
    join(folder, 'etc/tempest.conf'),
    configuration(cloud, folder, { changePassword: isFake, hosts: isFake ? HOSTS : 1 }),
  )
  const results = join(folder, 'results.subunit')
  const choice = ['--regex', regex, '--exclude-list', join(import.meta.dirname, 'not-yet.txt')]
  const child = spawn('tempest', ['run', '--subunit', '--concurrency', String(CONCURRENCY), ...choice], {
    cwd: folder,
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true, // a group of its own: its workers end with it
  })
  const end = () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }
  for (const signal of SIGNALS) process.once(signal, end)
  child.stdout.pipe(createWriteStream(results))
  // Its exit code is 1 also where only what may fail has failed.
  await once(child, 'close')
  for (const signal of SIGNALS) process.removeListener(signal, end)
  const text = execFileSync('/usr/bin/python3', [join(import.meta.dirname, 'outcomes.py')], {
    input: existsSync(results) ? readFileSync(results) : '',
    env: environment,
    maxBuffer: 2 ** 28,
  }).toString()
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Outcome)
}

function report({ counts, better, failed, missing, stale }: Verdict, seconds: number): void {
  for (const { id, why } of failed) print(`\n==== failed: ${id}\n${why.split('\n').slice(-SHOWN).join('\n')}`)
  print('')
  for (const { id } of failed) print(`failed: ${id}`)
  for (const { id, why } of missing) print(`not run: ${id}: ${why}`)
  for (const pattern of stale) print(`not-yet.txt: no test is called ${pattern}`)
  for (const [what, count] of Object.entries(counts)) print(`${what.padEnd(12)} ${String(count).padStart(4)}`)
  print(`${'more than Nova'.padEnd(12)} ${better.length}`)
  print(`seconds      ${Math.round(seconds)}`)
  print(`requests     ${join(WORKSPACE, 'run/tempest.log')}`)
  print(`${counts.passed} passed, ${failed.length + missing.length + stale.length} failed`)
}

const regex = positionals[0] ?? SUITE
const access = given()
const began = performance.now()
const cloud = access ? undefined : await own(values.driver)
const target = access ?? cloud?.[1]
let outcomes: readonly Outcome[] = []
try {
  if (target) outcomes = await outcomesOf(target, regex, values.driver === 'fake')
} finally {
  await cloud?.[0].remove()
}
const excuses = [...readExcuses(read('not-yet.txt')), ...(values.driver === 'libvirt' ? [ONE_HOST] : [])]
const verdict = judge(outcomes, readBaseline(read('baseline.txt')), excuses, regex)
report(verdict, (performance.now() - began) / 1000)
process.exitCode =
  outcomes.length === 0 || verdict.failed.length + verdict.missing.length + verdict.stale.length > 0 ? 1 : 0
