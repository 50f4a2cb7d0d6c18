// The stage runner behind npm test: one stage after the other, each cleaned up after; ends with the line `N passed, N failed`.
import { dirname } from 'node:path'
import { runStage, type StageResult } from './run-stage.ts'
import { createScratch, deadScratches, removeScratch, sweep } from './test-scratch.ts'
import { plan } from './test-stages.ts'

const root = dirname(import.meta.dirname)
const print = (line: string) => process.stdout.write(`${line}\n`)

const stages = plan(process.argv.slice(2), root)
if (typeof stages === 'string') {
  print(stages)
  process.exit(2)
}

for (const folder of deadScratches()) {
  const removed = await removeScratch(folder)
  print(`removed what an earlier run left in ${folder}${removed.length > 0 ? `: ${removed.join(', ')}` : ''}`)
}

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interrupted.abort())

const scratch = createScratch()
const results: StageResult[] = []
for (const stage of stages) {
  if (interrupted.signal.aborted) break
  print(`\n==== ${stage.name}`)
  const result = await runStage(stage, { cwd: root, scratch, signal: interrupted.signal })
  const left = await sweep(scratch.folder)
  if (left.length > 0) print(`left behind by ${stage.name} and removed: ${left.join(', ')}`)
  results.push(result)
}
await removeScratch(scratch.folder)

const row = (name: string, passed: number | string, failed: number | string, seconds: string) =>
  print(`${name.padEnd(44)} ${String(passed).padStart(7)} ${String(failed).padStart(7)} ${seconds.padStart(8)}`)
print('')
for (const { name, failures } of results) for (const failure of failures) print(`${name}: ${failure}`)
row('stage', 'passed', 'failed', 'seconds')
for (const { name, passed, failures, seconds } of results) row(name, passed, failures.length, seconds.toFixed(1))
const passed = results.reduce((sum, result) => sum + result.passed, 0)
const failed = results.reduce((sum, result) => sum + result.failures.length, 0)
print(`${passed} passed, ${failed} failed`)
process.exitCode = interrupted.signal.aborted ? 130 : failed > 0 ? 1 : 0
