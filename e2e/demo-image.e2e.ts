// The demo image alone, under emulation in m1.nano's 192 MiB: it boots, grows, learns who it is, lets its owner in, ends cleanly.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, before, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { demoImage } from './demo-image.ts'
import { bootPlainGuest, type PlainGuest } from './plain-guest.ts'

const run = promisify(execFile)
const password = 'kilonova'

let image = ''
let folder = ''
let key = ''
let guest: PlainGuest | undefined

before(async () => {
  image = await demoImage()
})
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'guest-'))
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', image, join(folder, 'disk'), '1G'])
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'it@example', '-f', join(folder, 'key')])
  key = readFileSync(join(folder, 'key.pub'), 'utf8').trim()
})
afterEach(async () => {
  await guest?.kill()
  guest = undefined
  rmSync(folder, { recursive: true, force: true })
})
const boot = async (...args: readonly string[]): Promise<PlainGuest> => {
  guest = await bootPlainGuest({ disk: join(folder, 'disk'), folder, args })
  return guest
}

/** At a login prompt that was waited for. */
const logIn = async (to: PlainGuest): Promise<void> => {
  to.type('demo\n')
  await to.shows('Password:')
  to.type(`${password}\n`)
  await to.shows('$ ')
}

const metadata = (uuid: string, name: string) => ({
  uuid,
  hostname: `${name}.novalocal`,
  name,
  public_keys: { mine: `${key}\n` },
  keys: [{ name: 'mine', type: 'ssh', data: `${key}\n` }],
  random_seed: 'c2VlZA==',
})

/** What the metadata service serves: QEMU runs a program of ours for every connection to 169.254.169.254. */
async function network(files: Readonly<Record<string, string>>): Promise<{ args: readonly string[]; sshPort: number }> {
  const program = join(folder, 'answer.cjs')
  writeFileSync(join(folder, 'files.json'), JSON.stringify(files))
  writeFileSync(
    program,
    `const files = JSON.parse(require('fs').readFileSync(${JSON.stringify(join(folder, 'files.json'))}, 'utf8'))
     let request = ''
     process.stdin.on('data', (data) => {
       request += data
       if (!request.includes('\\r\\n\\r\\n')) return
       const body = files[request.split(' ')[1].replace('/openstack/latest/', '')]
       const status = body === undefined ? '404 Not Found' : '200 OK'
       const answer = body ?? ''
       process.stdout.write('HTTP/1.0 ' + status + '\\r\\ncontent-length: ' + Buffer.byteLength(answer) + '\\r\\n\\r\\n' + answer, () => process.exit())
     })`,
  )
  const probe = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => probe.once('listening', resolve))
  const address = probe.address()
  const sshPort = typeof address === 'object' && address ? address.port : 0
  await new Promise((resolve) => probe.close(resolve))
  const service = `guestfwd=tcp:169.254.169.254:80-cmd:${process.execPath} ${program}`
  const user = `user,model=virtio-net-pci,net=169.254.169.0/24,hostfwd=tcp:127.0.0.1:${sshPort}-:22,${service}`
  return { args: ['-nic', user], sshPort }
}

async function configDrive(files: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const content = join(folder, 'drive')
  mkdirSync(join(content, 'openstack/latest'), { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(content, 'openstack/latest', name), text)
  const iso = join(folder, 'drive.iso')
  await run('genisoimage', ['-quiet', '-o', iso, '-J', '-r', '-V', 'config-2', content])
  return [
    '-device',
    'virtio-scsi-pci',
    '-drive',
    `file=${iso},if=none,id=cd,media=cdrom`,
    '-device',
    'scsi-cd,drive=cd',
  ]
}

const ssh = async (port: number, ...command: readonly string[]): Promise<string> => {
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes', 'LogLevel=ERROR']
  const flags = options.flatMap((option) => ['-o', option])
  const { stdout } = await run('ssh', [
    ...flags,
    '-i',
    join(folder, 'key'),
    '-p',
    String(port),
    'demo@127.0.0.1',
    ...command,
  ])
  return stdout.trim()
}

test('it logs in, fills its disk, and ends cleanly by the power button', async (t) => {
  const started = performance.now()
  const one = await boot('-nic', 'none')
  await one.shows('demo login:')
  t.diagnostic(`create to login prompt: ${((performance.now() - started) / 1000).toFixed(1)} s`)
  await logIn(one)
  const { sh, monitor, ended, text } = one
  assert.equal(await sh('id -un; sudo id -un'), 'demo\nroot')
  assert.ok(Number(await sh("df -m / | tail -n 1 | sed 's/ \\+/ /g' | cut -d' ' -f2")) > 900)
  assert.match(await sh('cat /etc/shadow'), /Permission denied/)

  await monitor('system_powerdown')
  const pressed = performance.now()
  await ended
  t.diagnostic(`power button to power off: ${((performance.now() - pressed) / 1000).toFixed(1)} s`)
  assert.match(text(), /demo: power button/)

  const again = await boot('-nic', 'none')
  await again.shows('demo login:')
  await logIn(again)
  assert.doesNotMatch(await again.sh('sudo dmesg | grep EXT4'), /recovery/)
})

test('the metadata service tells its name, its key and its script, which runs once for an instance', async () => {
  const script = '#!/bin/sh\necho ran as $(id -un) on $(hostname)\necho x >>/home/demo/runs\n'
  const first = await network({ 'meta_data.json': JSON.stringify(metadata('uuid-1', 'web')), user_data: script })
  const one = await boot(...first.args)
  await one.shows('web login:')
  await one.showsSometime('user-data: ran as root on web')
  await one.showsSometime('user-data: ended with 0')
  assert.equal(await ssh(first.sshPort, 'hostname; cat runs'), 'web\nx')
  await one.monitor('system_reset')
  await one.shows('web login:')
  await logIn(one)
  assert.equal(await one.sh('cat runs'), 'x')
  await one.kill()

  // A copy of the disk as another instance.
  const second = await network({ 'meta_data.json': JSON.stringify(metadata('uuid-2', 'web2')), user_data: script })
  const two = await boot(...second.args)
  await two.shows('web2 login:')
  await two.showsSometime('user-data: ended with 0')
  assert.equal(await ssh(second.sshPort, 'cat runs'), 'x\nx')
})

test('a config drive goes before the metadata service, which fills in what the drive lacks', async () => {
  const served = JSON.stringify(metadata('uuid-3', 'from-service'))
  const { args } = await network({ 'meta_data.json': served, user_data: '#!/bin/sh\necho from the service\n' })
  const drive = await configDrive({ 'meta_data.json': JSON.stringify(metadata('uuid-3', 'from-drive')) })
  const { shows, showsSometime } = await boot(...args, ...drive)
  await shows('from-drive login:')
  await showsSometime('user-data: from the service')
})

test('a config drive is enough where there is no network', async () => {
  const drive = await configDrive({
    'meta_data.json': JSON.stringify(metadata('uuid-4', 'lonely')),
    user_data: '#!/bin/sh\necho from the drive\n',
  })
  const lonely = await boot('-nic', 'none', ...drive)
  await lonely.shows('lonely login:')
  await lonely.showsSometime('user-data: from the drive')
  await logIn(lonely)
  assert.match(await lonely.sh('cat ~/.ssh/authorized_keys'), /^ssh-ed25519 \S+ it@example$/)
})
