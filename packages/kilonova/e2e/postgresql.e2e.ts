/** The tests of queries, claims, admission, the battery and the companions, once more on a real PostgreSQL. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { privatePostgresql, type PrivatePostgresql } from './private-postgresql.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const TESTS = {
  'queries, claims and admission': [
    'packages/kilonova/src/db/*.test.ts',
    'packages/kilonova/src/placement/*.test.ts',
    'packages/kilonova/src/actions/*.test.ts',
    'packages/kilonova/src/conductor/periodic/*.test.ts',
    'packages/kilonova/src/console/*.test.ts',
  ],
  'the API': ['packages/kilonova/src/api/**/*.test.ts'],
  'deletes at every moment, lost hosts and leases, several at once': [
    'test/battery/delete-during.test.ts',
    'test/battery/takeover.test.ts',
    'test/battery/several.test.ts',
  ],
  'the battery': ['test/battery/battery.test.ts'],
  'the companions': ['packages/companions/src/**/*.test.ts'],
}

let server: PrivatePostgresql
before(async () => void (server = await privatePostgresql()))
after(() => server.close())

for (const [name, patterns] of Object.entries(TESTS))
  test(`${name}: on PostgreSQL`, async () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const child = spawn(
      process.execPath,
      ['--test', '--test-reporter=spec', '--test-timeout=20000', ...globSync(patterns, { cwd: ROOT })],
      {
        cwd: ROOT,
        env: { ...env, KILONOVA_TEST_POSTGRESQL: server.url },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    const lines: string[] = []
    child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(text))
    const [code] = (await once(child, 'close')) as [number | null]
    const text = lines.join('')
    assert.equal(code, 0, text.slice(text.indexOf('failing tests:')))
    assert.match(text, /ℹ pass [1-9]/)
  })
