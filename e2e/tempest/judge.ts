// What a run of tempest means beside the same run on real Nova. Pure: texts in, findings out.

export type Ending = 'passed' | 'failed' | 'skipped'
export interface Outcome {
  readonly id: string
  readonly outcome: Ending
  /** Why it was skipped or failed. */
  readonly why: string
}
export interface Excuse {
  readonly pattern: string
  readonly reason: string
}

export interface Verdict {
  readonly counts: Readonly<Record<Ending | 'not yet', number>>
  /** Passed here, not on real Nova. */
  readonly better: readonly string[]
  readonly failed: readonly Outcome[]
  /** Ran on real Nova (passed, or failed by it), and here was skipped or never came. */
  readonly missing: readonly Outcome[]
  /** Patterns of the list that no test has. */
  readonly stale: readonly string[]
}

const lines = (text: string): readonly string[] =>
  text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))

/** `passed tempest.api…` a line. */
export const readBaseline = (text: string): ReadonlyMap<string, Ending> =>
  new Map(
    lines(text).map((line): [string, Ending] => {
      const [outcome = '', name = ''] = line.split(' ')
      return [name, outcome as Ending]
    }),
  )

/** `pattern # reason` a line. */
export const readExcuses = (text: string): readonly Excuse[] =>
  lines(text).map((line) => {
    const [pattern = '', reason = ''] = line.split(' # ')
    if (reason.trim() === '') throw new Error(`no reason is given for ${line}`)
    return { pattern: pattern.trim(), reason: reason.trim() }
  })

/** Without what stands in brackets behind it. */
export const nameOf = (id: string): string => id.replace(/\[.*$/s, '')

/** What befalls a whole class befalls its tests: tempest tells the class alone. */
function byTest(outcomes: readonly Outcome[], known: Iterable<string>): ReadonlyMap<string, Outcome> {
  const names = [...known]
  const found = new Map<string, Outcome>()
  for (const outcome of outcomes) {
    const whole = /^(?:set|tear)(?:Up|Down)(?:Class|Module) \((.*)\)$/.exec(outcome.id)?.[1]
    const members = whole === undefined ? [] : names.filter((name) => name.startsWith(`${whole}.`))
    // A class that cannot be cleaned up did run its tests.
    if (whole === undefined || outcome.id.startsWith('tearDown') || members.length === 0)
      found.set(nameOf(outcome.id), outcome)
    else for (const name of members) found.set(name, { ...outcome, id: name })
  }
  return found
}

/** `asked` is what was selected of the suite: a regular expression. */
export function judge(
  outcomes: readonly Outcome[],
  baseline: ReadonlyMap<string, Ending>,
  excuses: readonly Excuse[],
  asked: string,
): Verdict {
  const patterns = excuses.map(({ pattern }) => new RegExp(pattern))
  const excused = (name: string): boolean => patterns.some((pattern) => pattern.test(name))
  const found = byTest(outcomes, baseline.keys())
  const wanted = new RegExp(asked)
  const expected = [...baseline].filter(([name]) => wanted.test(name))
  const owed = expected.filter(([name, ending]) => ending !== 'skipped' && !excused(name))
  const all = [...found.values()]
  const count = (ending: Ending): number => all.filter(({ outcome }) => outcome === ending).length
  return {
    counts: {
      passed: count('passed'),
      failed: count('failed'),
      skipped: count('skipped'),
      'not yet': expected.filter(([name]) => excused(name)).length,
    },
    better: [...found]
      .filter(([name, { outcome }]) => outcome === 'passed' && baseline.get(name) !== 'passed')
      .map(([name]) => name),
    failed: all.filter(({ outcome }) => outcome === 'failed'),
    missing: owed.flatMap(([name]) => {
      const outcome = found.get(name)
      if (outcome && outcome.outcome !== 'skipped') return []
      return [outcome ?? { id: name, outcome: 'skipped' as const, why: 'it did not run' }]
    }),
    stale: excuses
      .filter((_, index) => ![...baseline.keys()].some((name) => patterns[index]?.test(name)))
      .map(({ pattern }) => pattern),
  }
}
