// How the programs of a test stage tell the runner what they found: one JSON line per test, appended to a file.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'

/** One test's end. `skipped` covers what is marked todo too: both mean that nothing was proved. */
export type Outcome = { readonly kind: 'passed' | 'failed' | 'skipped'; readonly name: string; readonly file?: string }

/** The file's path is handed to a stage in this variable; without it nobody asked. */
export const OUTCOMES = 'KILONOVA_TEST_OUTCOMES'

export const report = (outcome: Outcome): void => {
  const path = process.env[OUTCOMES]
  if (path !== undefined) appendFileSync(path, `${JSON.stringify(outcome)}\n`)
}

export const readOutcomes = (path: string): readonly Outcome[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line.endsWith('}'))
        .map((line): Outcome => JSON.parse(line))
    : []
