// A reporter for `node --test` that hands the end of every test to the stage runner; it prints nothing itself.
import type { TestEvent } from 'node:test/reporters'
import { report } from './test-outcomes.ts'

// oxlint-disable-next-line import/no-default-export -- `node --test` takes a reporter by its default export only
export default async function* outcomeReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    const { name, file, skip, todo, details } = event.data
    // A suite and a file are containers: they count only when they fail without a test of theirs having failed.
    if (details.type === 'suite' && event.type === 'test:pass') continue
    const kind = skip !== undefined || todo !== undefined ? 'skipped' : event.type === 'test:pass' ? 'passed' : 'failed'
    report({ kind, name, ...(file === undefined ? {} : { file }) })
    yield ''
  }
}
