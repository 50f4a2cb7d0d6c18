/** A machine that was renamed must not take its guests for somebody else's. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { keepHostName } from './host-name.ts'
import { UsageError } from './options.ts'

test('the name of the first start is kept, and another one is refused with the way out', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'host-name-'))
  t.after(() => rmSync(folder, { recursive: true }))
  keepHostName(folder, 'one')
  keepHostName(folder, 'one')
  assert.throws(
    () => keepHostName(folder, 'two'),
    (error) => error instanceof UsageError && error.message.includes('host = one'),
  )
})
