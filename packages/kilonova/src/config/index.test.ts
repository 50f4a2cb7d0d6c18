/** The configuration file is read strictly, and says where it is wrong. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configurationPage } from './document.ts'
import { readConfig } from './index.ts'

test('defaults hold until a file or an override says otherwise', () => {
  const config = readConfig(
    '[quota]\ninstances = 3\ncores = -1\n[filter_scheduler]\nenabled_filters = RamFilter, CoreFilter\n',
    { quota: { instances: 4 } },
  )
  assert.equal(config.quota.instances, 4)
  assert.equal(config.quota.cores, -1)
  assert.equal(config.quota.ram, 51_200)
  assert.deepEqual(config.filter_scheduler.enabled_filters, ['RamFilter', 'CoreFilter'])
})

test('what is unknown or does not fit is named', () => {
  assert.throws(() => readConfig('[DEFAULT]\ndebg = true'), /unknown option debg in \[DEFAULT\]/)
  assert.throws(() => readConfig('[nothing]\na = b'), /unknown section \[nothing\]/)
  assert.throws(() => readConfig('[api]\nmax_limit = many'), /\[api\] max_limit/)
  assert.throws(() => readConfig('[DEFAULT]\ncompute_driver = vmware'), /\[DEFAULT\] compute_driver/)
})

test('every option is documented with a meaning', () => {
  const rows = configurationPage()
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  assert.ok(rows.length > 40)
  for (const row of rows) assert.match(row, /\| [A-Z`].*\. \|$|\| [^|]+ \|$/)
})
