/** Passwords set by the real QEMU guest agent in a real guest, seen at its login; and what is said when nobody listens or it refuses. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { diskOf, guestOf } from '../../src/virt/contract-values.ts'
import { agentImage } from '../agent-image.ts'
import { driverBed } from '../driver-bed.ts'
import { logIn } from '../guest-console.ts'

const AGENT_MS = 30_000

test('the agent sets the password that its guest then takes, and no other; without it nobody does', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'kilonova-agent-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const { driver, ticket, close } = await driverBed('e2ea', await agentImage(folder))
  const serverId = randomUUID()
  t.after(async () => {
    await driver.destroy(serverId)
    await close()
  })
  await driver.createDisk(diskOf(serverId, ticket))
  await driver.start(guestOf(serverId, { imageProperties: { hw_qemu_guest_agent: 'yes' } }))

  const set = (user: string, password: string) => driver.setPassword(serverId, user, password)
  assert.equal(await set('demo', 'too early'), 'noAgent', 'it boots')
  const isSet = async (password: string): Promise<void> => {
    for (const late = performance.now() + AGENT_MS; (await set('demo', password)) !== 'set'; await delay(200))
      assert.ok(performance.now() < late, 'no agent comes')
  }
  await isSet('correct: horse')
  assert.equal(await logIn(driver, serverId), undefined, 'the former one')
  const first = await logIn(driver, serverId, 'correct: horse')
  assert.ok(first)
  const shadow = await first.type('sudo cat /etc/shadow')
  assert.match(shadow, /^demo:\$6\$/m)
  assert.equal(await set('nobody-of-that-name', 'x'), 'refused')
  assert.equal(await first.type('sudo cat /etc/shadow'), shadow)
  await first.type('sudo killall -STOP qemu-ga')
  assert.equal(await set('demo', 'too late'), 'noAgent', 'it is there, and does not answer')
  await first.type('sudo killall -CONT qemu-ga')
  await isSet('battery staple')
  await first.type('sudo killall qemu-ga')
  assert.equal(await set('demo', 'too late'), 'noAgent')
  await first.end()
  assert.ok(await logIn(driver, serverId, 'battery staple'), 'it is as it was')
})
