// A plan names every file once, finds an end-to-end test by its short name, and says what there is when it does not.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { plan } from './test-stages.ts'

let root = ''
before(() => {
  root = mkdtempSync(join(tmpdir(), 'plan-'))
  const files = [
    'packages/a/src/one.test.ts',
    'packages/a/e2e/real.e2e.ts',
    'e2e/boot.e2e.ts',
    'e2e/matrix/kills.e2e.ts',
  ]
  for (const file of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), '')
  }
})
after(() => rmSync(root, { recursive: true, force: true }))

const names = (...args: string[]) => {
  const stages = plan(args, root)
  return typeof stages === 'string' ? stages : stages.map(({ name }) => name)
}

test('quick is checks and unit tests', () => assert.deepEqual(names('quick'), ['check', 'unit']))

test('all adds the end-to-end files one by one, without the matrices', () =>
  assert.deepEqual(names('all'), ['check', 'unit', 'e2e/boot', 'packages/a/e2e/real']))

test('an end-to-end test is found by its short name wherever it lies', () =>
  assert.deepEqual(names('e2e', 'kills', 'real'), ['e2e/matrix/kills', 'packages/a/e2e/real']))

test('an unknown name is answered with the list', () =>
  assert.match(
    String(names('e2e', 'nothing')),
    /no end-to-end test is called nothing\nthere are: boot, kills, packages\/a\/e2e\/real/,
  ))

test('an unknown mode is answered with the usage', () => assert.match(String(names('quick', 'x')), /^usage: /))
