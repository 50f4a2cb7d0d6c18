/** Whose cloud does not start is told why, and what to do. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConfig } from '@kilonova/kilonova/config/index.ts'
import { PortTakenError } from '@kilonova/base/http/server.ts'
import { explain } from './explain.ts'
import { parseOptions } from './options.ts'
import { CidrTakenError } from './taken-cidr.ts'
import { openStateDir } from './state-dir.ts'

async function failureOf(work: () => unknown): Promise<unknown> {
  try {
    await work()
  } catch (error) {
    return error
  }
  throw new Error('it should have failed')
}

test('a wrong option is told with all there are, code 2', async () => {
  const { code, text } = explain(await failureOf(() => parseOptions(['--drivr', 'fake'], {})))
  assert.equal(code, 2)
  assert.match(text, /Unknown option '--drivr'[^]*--driver libvirt\|fake/)
})

test('addresses that are no block, or two blocks that overlap, are wrong options', async () => {
  for (const [args, words] of [
    [['--public-cidr', '172.24.4.0'], /--public-cidr must look like/],
    [['--public-cidr', '10.30.15.0/24'], /--private-cidr 10\.30\.0\.0\/20 and --public-cidr 10\.30\.15\.0\/24 overlap/],
    [['--private-cidr', '172.16.0.0/12'], /overlap/],
  ] as const)
    assert.match(explain(await failureOf(() => parseOptions(args, {}))).text, words)
  const options = parseOptions(['--public-cidr', '10.30.16.0/24'], {})
  assert.equal(options === 'help' ? '' : options.publicCidr, '10.30.16.0/24')
})

test('addresses that another link has are told with the option, code 20', () => {
  const { code, text } = explain(new CidrTakenError('--public-cidr', 'this machine has a route'))
  assert.equal(code, 20)
  assert.match(text, /another --public-cidr/)
})

test('a wrong configuration names the place and the page that lists all, code 2', async () => {
  const { code, text } = explain(await failureOf(() => readConfig('[DEFAULT]\ndebgu = true\n', {}, 'my.conf')))
  assert.equal(code, 2)
  assert.match(text, /my\.conf: unknown option debgu in \[DEFAULT\]\ndocs\/configuration\.md/)
})

test('a port that is taken has code 20', () => {
  const { code, text } = explain(new PortTakenError(5000, { cause: undefined }))
  assert.equal(code, 20)
  assert.match(text, /5000[^]*--port-offset/)
})

test('a folder that cannot be made is told, and does not keep the process for ever', async () => {
  const { code, text } = explain(await failureOf(() => openStateDir('/proc/nowhere/state')))
  assert.equal(code, 22)
  assert.match(text, /\/proc\/nowhere cannot be written/)
})

test('a folder under a file is told too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'explain-'))
  try {
    openStateDir(folder).release()
    assert.equal(explain(await failureOf(() => openStateDir(join(folder, 'installation.json', 'state')))).code, 22)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('an address that this machine has not is told', async () => {
  const server = createServer()
  const failed = once(server, 'error')
  server.listen({ host: '203.0.113.9', port: 0 })
  const { code, text } = explain((await failed)[0])
  assert.equal(code, 2)
  assert.match(text, /no address 203\.0\.113\.9/)
})
