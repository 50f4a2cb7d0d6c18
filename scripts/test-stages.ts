// Which stages a run has: names, files and time limits, nothing that runs.
import { globSync } from 'node:fs'

export type Stage = {
  readonly name: string
  readonly limitSeconds: number
  /** What Node is started with. */
  readonly args: readonly string[]
}

const MINUTE = 60
// `npm test` has 30 minutes; one end-to-end file of it may take a third, one that is asked for by name has its own limit.
const LIMITS = { check: 2 * MINUTE, unit: 4 * MINUTE, e2e: 10 * MINUTE, named: 25 * MINUTE }

/** Three files at once: some wait more than they work, and Node's own choice on two cores is one. */
const UNIT_ARGS = ['--test-timeout=60000', '--test-concurrency=3']

const UNIT = [
  'packages/*/src/**/*.test.ts',
  'packages/*/generator/**/*.test.ts',
  'scripts/**/*.test.ts',
  'test/**/*.test.ts',
  'bench/**/*.test.ts',
]
const END_TO_END = ['packages/*/e2e/*.e2e.ts', 'e2e/*.e2e.ts']
/** What is long: for `npm run e2e -- NAME` only. */
const BY_NAME = ['packages/*/e2e/matrix/*.e2e.ts', 'e2e/matrix/*.e2e.ts']

/** Node's arguments for test files; reporter `none` prints nothing. Outcomes go to the stage runner by a reporter of ours. */
export const testArgs = (
  reporter: 'dot' | 'spec' | 'none',
  files: readonly string[],
  ...more: readonly string[]
): readonly string[] => [
  '--test',
  ...(reporter === 'none' ? [] : [`--test-reporter=${reporter}`, '--test-reporter-destination=stdout']),
  '--test-reporter=./scripts/outcome-reporter.ts',
  '--test-reporter-destination=stderr',
  ...more,
  ...files,
]

const nameOf = (file: string): string => file.replace(/\.e2e\.ts$/, '')

const endToEnd = (file: string, limitSeconds: number): Stage => ({
  name: nameOf(file),
  limitSeconds,
  args: testArgs('spec', [file]),
})

/** A plan, or why there is none. Patterns are relative to the repository's root, which is `cwd`. */
export function plan([mode, ...names]: readonly string[], cwd: string): readonly Stage[] | string {
  const find = (patterns: readonly string[]) => globSync(patterns, { cwd }).toSorted()
  const quick = (): readonly Stage[] => [
    { name: 'check', limitSeconds: LIMITS.check, args: ['scripts/run-checks.ts'] },
    { name: 'unit', limitSeconds: LIMITS.unit, args: testArgs('dot', find(UNIT), ...UNIT_ARGS) },
  ]
  if (mode === 'quick' && names.length === 0) return quick()
  if (mode === 'all' && names.length === 0)
    return [...quick(), ...find(END_TO_END).map((file) => endToEnd(file, LIMITS.e2e))]
  if (mode !== 'e2e') return 'usage: scripts/test quick | all | e2e NAME...'

  const known = find([...END_TO_END, ...BY_NAME])
  const files = names.map((name) => known.find((file) => nameOf(file) === name || nameOf(file).endsWith(`/${name}`)))
  const missing = names.filter((_, index) => files[index] === undefined)
  if (names.length === 0 || missing.length > 0) {
    const list = known
      .map((file) =>
        nameOf(file)
          .replace(/^e2e\//, '')
          .replace(/^matrix\/|(?<=\/)matrix\//, ''),
      )
      .join(', ')
    return `${missing.length > 0 ? `no end-to-end test is called ${missing.join(', ')}` : 'which end-to-end test?'}\nthere are: ${list}`
  }
  return files.flatMap((file) => (file === undefined ? [] : endToEnd(file, LIMITS.named)))
}
