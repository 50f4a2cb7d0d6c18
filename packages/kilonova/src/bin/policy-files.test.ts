/** Policy files: what they say counts, from the second in which they change; what is wrong is refused with its place. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { silentLog, type Facts, type Log } from '@kilonova/base/log.ts'
import { policyOfFiles, type PolicyFiles } from './policy-files.ts'
import type { Subject } from '../policy/policy.ts'

const LIST = 'os_compute_api:os-services:list'
const reader: Subject = { userId: 'u', projectId: 'p', roles: new Set(['reader']), isAdmin: false }

function place(t: TestContext, more: Partial<PolicyFiles> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'kilonova-policy-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'policy.yaml')
  const lines: string[] = []
  const note = (level: string) => (phrase: string, facts?: Facts) =>
    void lines.push(
      `${level} ${phrase} ${facts?.['error'] instanceof Error ? facts['error'].message : JSON.stringify(facts)}`,
    )
  const log: Log = { ...silentLog, info: note('info'), warn: note('warn'), error: note('error') }
  let now = 1_000_000
  return {
    folder,
    file,
    lines,
    pass: (ms: number) => void (now += ms),
    write: (text: string, path = file) => writeFileSync(path, text),
    open: () =>
      policyOfFiles({
        file,
        required: false,
        dirs: [join(folder, 'policy.d')],
        clock: { now: () => now },
        log,
        ...more,
      }),
  }
}

test('without a file the defaults hold; a file that appears, changes and goes is followed', (t) => {
  const it = place(t)
  const { allows } = it.open()
  assert.equal(allows(LIST, reader), false)
  it.write(`# who may see the services\n"${LIST}": "role:reader"\n`)
  assert.equal(allows(LIST, reader), false, 'not looked at again within the second')
  it.pass(1000)
  assert.equal(allows(LIST, reader), true)
  it.write(`"${LIST}": "role:reader and role:nobody"\n`)
  it.pass(1000)
  assert.equal(allows(LIST, reader), false)
  it.write(`"${LIST}": "@"\n`)
  it.pass(1000)
  assert.equal(allows(LIST, reader), true)
  rmSync(it.file)
  it.pass(1000)
  assert.equal(allows(LIST, reader), false)
})

test('a file that becomes wrong changes nothing but the log, until it is right again', (t) => {
  const it = place(t)
  it.write(`${LIST}: role:reader\n`)
  const { allows } = it.open()
  it.write(`${LIST}: role:reader and\n`)
  it.pass(1000)
  assert.equal(allows(LIST, reader), true)
  assert.match(
    it.lines.join('\n'),
    /^error policy files are wrong.*line 1: rule "os_compute_api:os-services:list" is wrong/m,
  )
  it.pass(1000)
  assert.equal(allows(LIST, reader), true)
  assert.equal(it.lines.length, 1, 'told once')
  it.write(`${LIST}: "!"\n`)
  it.pass(1000)
  assert.equal(allows(LIST, reader), false)
})

test('files of policy.d come over the file, in the order of their names', (t) => {
  const it = place(t)
  const folder = join(it.folder, 'policy.d')
  mkdirSync(folder)
  it.write(`"${LIST}": "!"\n`)
  it.write(`{"${LIST}": "role:reader"}`, join(folder, '20.json'))
  it.write(`"${LIST}": "!"\n`, join(folder, '10.yaml'))
  it.write(`this: is: no: policy`, join(folder, 'README.md'))
  assert.equal(it.open().allows(LIST, reader), true)
})

test('a rule that nothing asks for is told of; one that another rule names is not', (t) => {
  const it = place(t)
  it.write(`os_compute_api:os-sevices:list: "@"\nfriends: role:friend\n${LIST}: rule:friends\n`)
  it.open()
  assert.deepEqual(it.lines, [
    `warn policy files name rules that nothing asks for {"rules":["os_compute_api:os-sevices:list (${it.file}, line 1)"],"count":1}`,
  ])
})

for (const [what, text, reason] of [
  [
    'a rule that does not parse',
    `a: "@"\n\n"${LIST}": "role:admin or"\n`,
    /policy\.yaml, line 3: rule "os_compute_api:os-services:list" is wrong: it ends/,
  ],
  [
    'a rule that names none',
    `a: "@"\n${LIST}: rule:b\n`,
    /line 2: rule ".*" is wrong: it names rule "b", which is not defined/,
  ],
  [
    'a default that is taken away',
    `"project_reader_api": "rule:nobody_wrote_this"`,
    /line 1: rule "project_reader_api" is wrong/,
  ],
  ['a rule twice', `a: "@"\na: "!"\n`, /line 2: this is no YAML: Map keys must be unique/],
  ['no YAML', `a: "@\n`, /line \d: this is no YAML/],
  ['a list', `- a\n- b\n`, /line 1: expected lines of/],
  [
    'the old lists of lists',
    `a:\n  - ["role:admin"]\n`,
    /line 1: rule "a" is wrong: what stands behind it must be a text/,
  ],
  ['nothing behind a rule', `a:\n`, /line 1: rule "a" is wrong.*"" is anybody/],
  ['a number', `a: 7\n`, /line 1: rule "a" is wrong/],
] as const)
  test(`the start is refused for ${what}`, (t) => {
    const it = place(t)
    it.write(text)
    assert.throws(() => it.open(), { name: 'ConfigError', message: reason })
  })

test('a file that must be there and is not ends the start; an empty one says nothing', (t) => {
  const it = place(t, { required: true })
  assert.throws(() => it.open(), { name: 'ConfigError', message: /policy\.yaml is not there/ })
  it.write('# nothing yet\n')
  assert.equal(it.open().allows(LIST, reader), false)
})
