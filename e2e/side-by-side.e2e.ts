// Clouds beside each other on one machine, and starts that must fail: each says why, by its words and by its exit code.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as listen } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { cloudProcess, type CloudProcess } from './cloud-process.ts'
import { inGuest, newKey } from './guest-shell.ts'
import { leftoversOf } from './leftovers.ts'
import { active, createServer, removeServer } from './servers.ts'

async function cloudOf(t: TestContext): Promise<CloudProcess> {
  const cloud = await cloudProcess()
  t.after(() => cloud.remove())
  return cloud
}

test('two clouds on one machine: each reaches its own guest, and one that goes takes nothing of the other', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'beside-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const key = join(folder, 'key')
  await newKey(key)
  const clouds = [await cloudOf(t), await cloudOf(t)]
  const guests = []
  for (const cloud of clouds) {
    await cloud.start()
    const session = await cloud.session('demo')
    const publicKey = readFileSync(`${key}.pub`, 'utf8').trim()
    await session.call('compute', 'POST', '/os-keypairs', {
      keypair: { name: 'mine', type: 'ssh', public_key: publicKey },
    })
    const id = await createServer(session, { name: `guest-${guests.length}`, keyName: 'mine' })
    guests.push({ cloud, session, id, left: () => leftoversOf(cloud.stateDir, cloud.installationId()) })
  }
  const addresses = []
  for (const { session, id } of guests) {
    const address = Object.values((await active(session, id)).addresses)[0]?.[0]?.addr ?? ''
    assert.equal(await inGuest(address, key, 'hostname'), `guest-${addresses.length}`)
    addresses.push(address)
  }
  const [first, second] = guests
  assert.ok(first && second)
  const before = await second.left()
  assert.equal(before.guests, 1)
  await removeServer(first.session, first.id)
  await first.cloud.remove()
  assert.deepEqual(await second.left(), before)
  // A start looks for what nobody asked for, and removes it: never what is another's.
  await second.cloud.stop('SIGINT')
  await second.cloud.start()
  assert.deepEqual(await second.left(), before)
  assert.equal(await inGuest(addresses[1] ?? '', key, 'hostname'), 'guest-1')
})

test('a port that is taken: the message names it, the code is 20, and no daemon of ours is left running', async (t) => {
  const cloud = await cloudOf(t)
  const port = Number(new URL(cloud.url('image')).port)
  const other = listen().listen(port, '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  t.after(() => other.close())
  const { code, output } = await cloud.startBadly()
  assert.equal(code, 20, output)
  assert.match(output, new RegExp(`${port}`))
  assert.match(output, /--port-offset/)
})

test('a state directory that is in use: the message names the process, the code is 21, and that one is not disturbed', async (t) => {
  const cloud = await cloudOf(t)
  await cloud.start()
  const holder = cloud.pid()
  const second = await cloudOf(t)
  const { code, output } = await second.startBadly(['--state-dir', cloud.stateDir, '--port-offset', '30000'])
  assert.equal(code, 21, output)
  assert.match(output, new RegExp(`is in use by process ${holder}`))
  const answer = await fetch(`${cloud.url('compute')}/healthz`)
  assert.equal(answer.status, 200)
})

test('a disk that is full: the message says so, the code is 14, and with room again it starts', async (t) => {
  const cloud = await cloudOf(t)
  const images = join(cloud.stateDir, 'images')
  mkdirSync(images)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', images])
  const { code, output } = await cloud.startBadly().finally(() => execFileSync('umount', [images]))
  assert.equal(code, 14, output)
  assert.match(output, /not enough disk space/)
  await cloud.start()
})

test('options that are not understood end with code 2 and the list of those that are', async (t) => {
  const cloud = await cloudOf(t)
  for (const args of [
    ['--colour', 'red'],
    ['--private-cidr', '10.0.0.0'],
    ['--driver', 'xen'],
    ['--port-offset', 'x'],
  ]) {
    const { code, output } = await cloud.startBadly(args)
    assert.equal(code, 2, output)
    assert.match(output, /Usage: npm start/)
  }
})
