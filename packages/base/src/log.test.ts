import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { asText, openLog, type LogLevel } from './log.ts'

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'kilonova-log-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}
/** A file is written while the program goes on. */
async function written(file: string, fits: (text: string) => boolean): Promise<string> {
  for (let tries = 0; tries < 500; tries++) {
    const text = readFileSync(file, { encoding: 'utf8', flag: 'a+' })
    if (fits(text)) return text
    await delay(5)
  }
  return assert.fail(`not in ${file}`)
}
const open = (file: string, { level = 'info', json = false }: { level?: LogLevel; json?: boolean } = {}) =>
  openLog({ level, json, file })

test('a line for people: time, level, module, request, phrase, facts, place', async (t) => {
  const file = join(folder(t), 'log/kilonova.log')
  const log = open(file)
  log
    .in(import.meta)
    .with({ requestId: 'req-1', user: 'u', project: 'p' })
    .info('task succeeded', { server: 's1', seconds: 1.5, note: 'two words' })
  const text = await written(file, (all) => all.endsWith('\n'))
  assert.match(
    text,
    /^\d{4}-\d\d-\d\dT[\d:.]+Z INFO base\.log\.test \[req-1 u p\] task succeeded server=s1 seconds=1\.5 note="two words" packages\/base\/src\/log\.test\.ts\n$/,
  )
})

test('a line for machines is JSON with the same facts', async (t) => {
  const file = join(folder(t), 'kilonova.log')
  open(file, { json: true }).with({ requestId: 'req-1' }).warn('it rains', { drops: 3 })
  const entry = JSON.parse(await written(file, (all) => all.endsWith('\n'))) as Record<string, unknown>
  assert.deepEqual(
    { ...entry, time: 'now' },
    { level: 'warn', time: 'now', requestId: 'req-1', drops: 3, msg: 'it rains' },
  )
})

test('an error shows its causes, and its stack only for debugging', async (t) => {
  const error = new Error('the disk was not made', { cause: new Error('no space left') })
  const path = folder(t)
  for (const level of ['info', 'debug'] as const) {
    const file = join(path, level)
    open(file, { level }).error('step failed', { error })
    const text = await written(file, (all) => all.endsWith('\n'))
    assert.match(text, /error="the disk was not made < no space left"/)
    assert.equal(text.includes('stack='), level === 'debug')
  }
})

test('a line below the level is not written, and nobody in brackets is three dashes', () => {
  assert.match(asText('{"level":"info","time":"T","msg":"hello"}'), /^T INFO - \[- - -\] hello -\n$/)
})

test('after a rotation it goes on in a new file', async (t) => {
  const file = join(folder(t), 'kilonova.log')
  const log = open(file)
  log.debug('not shown')
  log.info('before')
  await written(file, (all) => all.includes('before'))
  renameSync(file, `${file}.1`)
  log.reopen()
  log.info('after')
  const text = await written(file, (all) => all.includes('after'))
  assert.equal(text.includes('before') || text.includes('not shown'), false)
})

test('what somebody sent neither begins a line of its own nor reaches the terminal', () => {
  const name = 'x\u001b[2J\u009b31m\u2028\n2026 ERROR forged'
  const entry = { level: 'info', time: 'T', msg: 'audit', user: 'u\nv', name, tab: '\u0007' }
  assert.equal(
    asText(JSON.stringify(entry)),
    'T INFO - [- u\\u000av -] audit name="x\\u001b[2J\\u009b31m\\u2028\\n2026 ERROR forged" tab=\\u0007 -\n',
  )
})
