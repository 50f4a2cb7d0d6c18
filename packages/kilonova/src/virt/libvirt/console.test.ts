/** The console's tail, across the two files that virtlogd keeps. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { consoleTail } from './console.ts'

test('the last bytes are read, from the file before when the present one is short, and none when there is none', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'console-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'console.log')
  assert.equal(await consoleTail(path, 10), '')
  writeFileSync(path, 'abcdef')
  assert.equal(await consoleTail(path, 3), 'def')
  assert.equal(await consoleTail(path, 100), 'abcdef')
  assert.equal(await consoleTail(path, 0), '')
  writeFileSync(`${path}.0`, 'older ')
  assert.equal(await consoleTail(path, 9), 'er abcdef')
  assert.equal(await consoleTail(path, 2), 'ef')
})
