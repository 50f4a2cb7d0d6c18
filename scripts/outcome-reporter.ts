// A reporter for `node --test` that hands the end of every test to the stage runner; it prints nothing itself.
import { resolve } from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { report } from './test-outcomes.ts'

// oxlint-disable-next-line import/no-default-export -- `node --test` takes a reporter by its default export only
export default async function* outcomeReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    const { name, file, skip, todo, details } = event.data
    // A suite, and a file in which no test was found (it passes under its own name), prove nothing by passing.
    const isContainer = details.type === 'suite' || (file !== undefined && resolve(name) === file)
    if (isContainer && event.type === 'test:pass') continue
    const kind = skip !== undefined || todo !== undefined ? 'skipped' : event.type === 'test:pass' ? 'passed' : 'failed'
    report({ kind, name, ...(file === undefined ? {} : { file }) })
    yield ''
  }
}
