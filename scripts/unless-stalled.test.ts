import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

// Returns when every process that has its output has ended.
const bash = (script: string) => {
  const { error, status, signal } = spawnSync(
    join(import.meta.dirname, 'unless-stalled'),
    ['2', 'bash', '-c', script],
    { timeout: 30_000 },
  )
  return { error, status, signal }
}

test('what reads nothing is killed, with all that it started', () =>
  assert.deepEqual(bash('sleep 300 & wait'), { error: undefined, status: null, signal: 'SIGKILL' }))

test('what reads, itself or in a process that it started, is let go on', () => {
  const start = Date.now()
  const script = 'bash -c "for i in 1 2 3 4 5 6 7 8; do read -r line </etc/passwd; sleep 0.5; done"; exit 7'
  assert.deepEqual(bash(script), { error: undefined, status: 7, signal: null })
  assert.ok(Date.now() - start >= 4000)
})
