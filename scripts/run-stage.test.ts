// A stage is judged by what its tests reported, ended when it is late, and never taken for good when it proved nothing.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { judge, runStage } from './run-stage.ts'
import { createScratch, removeScratch, type Scratch } from './test-scratch.ts'
import { testArgs } from './test-stages.ts'

let parent = ''
let scratch: Scratch
before(() => {
  parent = mkdtempSync(join(tmpdir(), 'stage-'))
  scratch = createScratch(parent)
})
after(async () => {
  await removeScratch(scratch.folder)
  rmSync(parent, { recursive: true, force: true })
})

const run = (code: string, limitSeconds = 30, signal = new AbortController().signal) => {
  const file = join(parent, 'sample.test.ts')
  writeFileSync(file, `import test from 'node:test'\n${code}\n`)
  const stage = { name: 'sample', limitSeconds, args: testArgs('none', [file]) }
  return runStage(stage, { cwd: dirname(import.meta.dirname), scratch, signal })
}

test('tests that pass are counted, suites are not', async () => {
  const { passed, failures } = await run("test.suite('s', () => { test('a', () => {}); test('b', () => {}) })")
  assert.deepEqual({ passed, failures }, { passed: 2, failures: [] })
})

test('a failing and a skipped test fail the stage by name', async () => {
  const { passed, failures } = await run(
    "test('good', () => {}); test('bad', () => { throw new Error('no') }); test('later', { skip: true }, () => {}); test('some day', { todo: true }, () => {})",
  )
  assert.equal(passed, 1)
  assert.deepEqual(
    failures.map((failure) => failure.replace(/ \(.*/, '')),
    ['failed: bad', 'skipped: later', 'skipped: some day'],
  )
})

test('a file that cannot be loaded fails the stage', async () => {
  const { passed, failures } = await run("throw new Error('at load')")
  assert.equal(passed, 0)
  assert.equal(failures.length, 1)
})

test('a stage in which nothing ran fails', async () => {
  assert.deepEqual((await run('')).failures.length, 1)
})

test('a stage that takes too long is ended and says so', async () => {
  const { failures } = await run("test('for ever', () => new Promise(() => setInterval(() => {}, 1000)))", 0.5)
  assert.deepEqual(failures, ['took longer than 0.5 s and was ended'])
})

test('an interrupted stage ends at once', async () => {
  const controller = new AbortController()
  const result = run("test('for ever', () => new Promise(() => setInterval(() => {}, 1000)))", 30, controller.signal)
  controller.abort()
  assert.deepEqual((await result).failures, ['was interrupted'])
})

test('an exit code nobody explains is a failure', () => {
  assert.deepEqual(judge('s', [{ kind: 'passed', name: 'a' }], 1, [], 1).failures, [
    'ended with code 1 though no test failed',
  ])
})
