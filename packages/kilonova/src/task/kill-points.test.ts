/** Nothing happens that the environment does not ask for; what it asks for happens at that point alone. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setImmediate as soon } from 'node:timers/promises'
import { killPoints } from './kill-points.ts'

const never = new AbortController().signal

function fileOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'kill-points-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'hold')
  writeFileSync(file, '')
  return file
}

/** Whether it waits: a point that is not asked for is passed without a look at any file. */
async function waits(held: Promise<void>): Promise<boolean> {
  let over = false
  void held.then(() => (over = true))
  await soon()
  return !over
}

test('with nothing in the environment every point is passed', async () => {
  const points = killPoints({})
  points.kill('create', 'image', 'before')
  points.fail('create', 'image')
  assert.equal(await waits(points.hold('create', 'image', 'before', never)), false)
})

test('it fails at the step named, and at no other', () => {
  const points = killPoints({ FAIL_AT: 'create/image,stop/powerOff' })
  assert.throws(() => points.fail('stop', 'powerOff'), /asked to fail at stop\/powerOff/)
  points.fail('stop', 'image')
})

test('a task is held at the point named while the file exists, and at no other', async (t) => {
  const file = fileOf(t)
  const points = killPoints({ HOLD_AT: `stop/powerOff/after=/nowhere,create/image/before=${file}` })
  assert.equal(await waits(points.hold('create', 'image', 'after', never)), false)
  assert.equal(await waits(points.hold('stop', 'powerOff', 'after', never)), false)
  const held = points.hold('create', 'image', 'before', never)
  assert.equal(await waits(held), true)
  rmSync(file)
  await held
})

test('a held task is let go by its signal too', async (t) => {
  const file = fileOf(t)
  const release = new AbortController()
  const held = killPoints({ HOLD_AT: `create/image/before=${file}` }).hold('create', 'image', 'before', release.signal)
  assert.equal(await waits(held), true)
  release.abort()
  await held
})

test('a hold that names no file is refused', () => {
  assert.throws(() => killPoints({ HOLD_AT: 'create/image/before' }), /create\/image\/before without =<file>/)
})
