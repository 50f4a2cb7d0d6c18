// The cleaner takes away what a dead run left, and nothing of a living one.
import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { startTimeOf } from './processes.ts'
import { createScratch, deadScratches, removeScratch, sweep } from './test-scratch.ts'

let parent = ''
let children: ChildProcess[] = []
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'scratch-'))
  children = []
})
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(parent, { recursive: true, force: true })
})

/** A process that lives until it is killed, and the promise of the signal that ended it. */
function sleeper(env: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const code = "console.log('up'); setInterval(() => {}, 1000)"
  const child = spawn(process.execPath, ['-e', code, '--', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  })
  children.push(child)
  return { child, up: once(child.stdout, 'data'), ended: once(child, 'exit') }
}

test('a run that lives is not dead, one whose owner is gone is', async () => {
  const scratch = createScratch(parent)
  assert.deepEqual(deadScratches(parent), [])
  const { child, up, ended } = sleeper({})
  await up
  writeFileSync(join(scratch.folder, 'owner'), `${child.pid} ${startTimeOf(child.pid ?? 0)}`)
  assert.deepEqual(deadScratches(parent), [])
  child.kill('SIGKILL')
  await ended
  assert.deepEqual(deadScratches(parent), [scratch.folder])
})

test('a pid that was given to another process does not keep a run alive', () => {
  const scratch = createScratch(parent)
  writeFileSync(join(scratch.folder, 'owner'), `${process.pid} 1`)
  assert.deepEqual(deadScratches(parent), [scratch.folder])
})

test('folders of other names are nobody’s business', () => {
  mkdirSync(join(parent, 'kt-notes'))
  mkdirSync(join(parent, 'ktffff'))
  mkdirSync(join(parent, 'ktggggg'))
  assert.deepEqual(deadScratches(parent), [])
})

test('processes are found by environment, by command line and by registration', async () => {
  const scratch = createScratch(parent)
  const byEnvironment = sleeper(scratch.environment)
  const byCommandLine = sleeper({}, `${scratch.folder}/tmp/disk.qcow2`)
  const registered = sleeper({})
  const other = sleeper({ KILONOVA_TEST_SCRATCH: `${scratch.folder}0` })
  await Promise.all([byEnvironment.up, byCommandLine.up, registered.up, other.up])
  const pid = registered.child.pid ?? 0
  writeFileSync(join(scratch.folder, 'pids', String(pid)), `${startTimeOf(pid)}\n`)

  assert.deepEqual(await sweep(scratch.folder), ['3 processes'])
  const ends = await Promise.all([byEnvironment.ended, byCommandLine.ended, registered.ended])
  assert.deepEqual(
    ends.map(([, signal]) => signal),
    ['SIGKILL', 'SIGKILL', 'SIGKILL'],
  )
  assert.equal(other.child.signalCode, null)
  assert.deepEqual(await sweep(scratch.folder), [])
})

test('a registration outlived by its process harms nobody who got the pid later', async () => {
  const scratch = createScratch(parent)
  const { child, up } = sleeper({})
  await up
  writeFileSync(join(scratch.folder, 'pids', String(child.pid)), '1')
  assert.deepEqual(await sweep(scratch.folder), [])
  assert.equal(child.signalCode, null)
})

test('removing a scratch takes its files along', async () => {
  const scratch = createScratch(parent)
  writeFileSync(join(scratch.environment['TMPDIR'] ?? '', 'leftover'), 'x')
  await removeScratch(scratch.folder)
  assert.equal(existsSync(scratch.folder), false)
})

test('an installation of a run loses its namespaces and its folder, another one keeps them', async (t) => {
  if (process.getuid?.() !== 0) return t.diagnostic('only root can make a namespace')
  const scratch = createScratch(parent)
  const own = randomBytes(3).toString('hex')
  const other = randomBytes(3).toString('hex')
  const leftovers = [own, other].flatMap((id) => [`/run/netns/kn${id}-0000000`, `/run/kilonova-${id}`])
  t.after(() => {
    for (const id of [own, other]) {
      spawnSync('ip', ['netns', 'delete', `kn${id}-0000000`])
      rmSync(`/run/kilonova-${id}`, { recursive: true, force: true })
    }
  })
  for (const id of [own, other]) {
    assert.equal(spawnSync('ip', ['netns', 'add', `kn${id}-0000000`]).status, 0)
    mkdirSync(`/run/kilonova-${id}`)
  }
  const { up } = sleeper(scratch.environment, `--pid-file=/run/kilonova-${own}/x/dnsmasq.pid`)
  await up
  assert.deepEqual(await sweep(scratch.folder), [
    '1 processes',
    `namespace kn${own}-0000000`,
    `folder /run/kilonova-${own}`,
  ])
  assert.deepEqual(
    leftovers.map((path) => existsSync(path)),
    [false, false, true, true],
  )
})
