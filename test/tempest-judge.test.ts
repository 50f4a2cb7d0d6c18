/** What a run of tempest is judged by: nothing may fail, and nothing that ran on real Nova may stay away without a reason. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { judge, readBaseline, readExcuses, type Ending } from '../e2e/tempest/judge.ts'

const baseline = readBaseline('# facts\npassed t.A.one\nfailed t.A.two\nskipped t.B.three\npassed t.B.four\n')
const was = (id: string, outcome: Ending, why = '') => ({ id, outcome, why })
const all = [was('t.A.one[id-1,smoke]', 'passed'), was('t.A.two', 'passed'), was('t.B.four', 'passed')]

test('all is well when everything passes that ran on real Nova', () => {
  const { counts, failed, missing, better, stale } = judge([...all, was('t.B.three', 'skipped')], baseline, [], '.')
  assert.deepEqual(counts, { passed: 3, failed: 0, skipped: 1, 'not yet': 0 })
  assert.deepEqual([failed, missing, better, stale], [[], [], ['t.A.two'], []])
})

test('what fails is bad, whether real Nova runs it or not', () => {
  const { failed } = judge([...all, was('t.B.three', 'failed', 'so')], baseline, [], '.')
  assert.deepEqual(failed, [was('t.B.three', 'failed', 'so')])
})

test('what is skipped, or never comes, is bad unless the list says why', () => {
  const skipped = [was('t.A.one', 'passed'), was('t.A.two', 'skipped', 'no')]
  const names = (excuses = readExcuses('')) =>
    judge(skipped, baseline, excuses, '.').missing.map(({ id, why }) => `${id}: ${why}`)
  assert.deepEqual(names(), ['t.A.two: no', 't.B.four: it did not run'])
  assert.deepEqual(names(readExcuses('# list\nB\\.four # later\n')), ['t.A.two: no'])
  assert.deepEqual(judge(skipped, baseline, [], 't\\.A').missing.length, 1, 'only what was asked for')
  assert.deepEqual(judge(all, baseline, readExcuses('none # such'), '.').stale, ['none'])
  assert.throws(() => readExcuses('t.A.one'), /no reason/)
})

test('what befalls a class befalls its tests', () => {
  const { counts, missing } = judge(
    [was('t.A.one', 'passed'), was('t.A.two', 'passed'), was('setUpClass (t.B)', 'skipped', 'no')],
    baseline,
    [],
    '.',
  )
  assert.equal(counts.skipped, 2)
  assert.deepEqual(missing, [was('t.B.four', 'skipped', 'no')])
  assert.equal(judge([...all, was('tearDownClass (t.B)', 'failed')], baseline, [], '.').failed.length, 1)
})

test('the lists are whole: 595 tests, and each pattern has some', () => {
  const read = (name: string) => readFileSync(join(import.meta.dirname, '../e2e/tempest', name), 'utf8')
  const facts = readBaseline(read('baseline.txt'))
  assert.equal(facts.size, 595)
  assert.equal([...facts.values()].filter((ending) => ending === 'passed').length, 434)
  assert.deepEqual(judge([], facts, readExcuses(read('not-yet.txt')), '.').stale, [])
})
