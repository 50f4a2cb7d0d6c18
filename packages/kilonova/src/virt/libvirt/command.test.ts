/** Programs of the host: what they say, how they are ended, and how little they may take. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { command } from './command.ts'

const shell = (script: string, options: Parameters<typeof command>[2] = {}) => command('sh', ['-c', script], options)
const MB = 1024 ** 2

test('its output is the answer, its last words the error', async () => {
  assert.equal(await shell('echo out; echo err >&2'), 'out\n')
  await assert.rejects(shell('echo why >&2; exit 3'), { name: 'CommandFailed', message: 'sh ended with 3: why' })
  await assert.rejects(command('no-such-program', []), { name: 'CommandFailed', message: /cannot be run/ })
})

test('it is ended when it takes too long, or when nobody wants it any more, with all that it started', async () => {
  const began = performance.now()
  await assert.rejects(shell('sleep 30', { timeoutMs: 50 }), { name: 'CommandFailed', message: /longer than 50 ms/ })
  const gone = new AbortController()
  const running = shell('sleep 30', { signal: gone.signal })
  gone.abort(new Error('not wanted'))
  await assert.rejects(running, /not wanted/)
  await assert.rejects(shell('sleep 30 & wait', { timeoutMs: 50 }), /longer than 50 ms/)
  assert.ok(performance.now() - began < 10_000, 'nobody waits for a sleep of 30 s')
})

test('who reads strangers’ files gets so much processor time, memory and disk, and no more', async (t) => {
  const limits = { cpuSeconds: 7, memoryBytes: 512 * MB, fileBytes: MB }
  assert.equal(await shell('ulimit -t; ulimit -v; ulimit -f; ulimit -c', { limits }), '7\n524288\n2048\n0\n')
  const busy = shell('while :; do :; done', { limits: { ...limits, cpuSeconds: 1 }, timeoutMs: 30_000 })
  const folder = mkdtempSync(join(tmpdir(), 'command-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const large = shell(`head -c ${4 * MB} /dev/zero >${join(folder, 'file')}`, { limits })
  const hungry = command('perl', ['-e', 'my $x = "x" x (1024 ** 3); print length $x'], { limits })
  await Promise.all([busy, large, hungry].map((each) => assert.rejects(each, { name: 'CommandFailed' })))
})
