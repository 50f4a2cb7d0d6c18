// All that can be said about the code without running it: each check one line, all of them run even when one fails.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { report } from './test-outcomes.ts'

const root = dirname(import.meta.dirname)
const fix = process.argv.includes('--fix')

/** One program to run; with `--fix` it may have another command line that mends what it finds. */
type Check = { readonly name: string; readonly command: readonly string[]; readonly fix?: readonly string[] }

/** The script behind a package's command: run by this Node, whatever else is on PATH. */
const script = (pkg: string, command = pkg): string => {
  const manifest: { bin: string | Record<string, string> } = JSON.parse(
    readFileSync(join(root, 'node_modules', pkg, 'package.json'), 'utf8'),
  )
  const path = typeof manifest.bin === 'string' ? manifest.bin : manifest.bin[command]
  if (path === undefined) throw new Error(`${pkg} has no command ${command}`)
  return join(root, 'node_modules', pkg, path)
}

const docs = join(root, 'scripts/generate-docs.ts')
const checks: readonly Check[] = [
  { name: 'format', command: [script('oxfmt'), '--check'], fix: [script('oxfmt'), '--write'] },
  { name: 'lint', command: [script('oxlint'), '--type-aware'], fix: [script('oxlint'), '--type-aware', '--fix'] },
  { name: 'types', command: [script('typescript', 'tsc'), '-p', '.'] },
  { name: 'dead code', command: [script('knip'), '--no-progress', '--no-config-hints'] },
  { name: 'floors', command: ['--test', '--test-reporter=dot', 'packages/kilonova/src/floors.test.ts'] },
  ...(existsSync(docs) ? [{ name: 'docs', command: [docs, '--check'], fix: [docs] }] : []),
]

type Outcome = { readonly failed: boolean; readonly output: string; readonly seconds: number }

const run = (args: readonly string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    const started = performance.now()
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (data: Buffer) => (output += data.toString()))
    child.stderr.on('data', (data: Buffer) => (output += data.toString()))
    child.on('close', (code) => resolve({ failed: code !== 0, output, seconds: (performance.now() - started) / 1000 }))
  })

// One after another when they write files, two at a time when they only read.
const queue = [...checks]
const worker = async (): Promise<void> => {
  for (let check = queue.shift(); check; check = queue.shift()) {
    const { failed, output, seconds } = await run(fix && check.fix ? check.fix : check.command)
    if (failed) process.stdout.write(`${output.trimEnd()}\n`)
    process.stdout.write(`${failed ? 'FAILED' : 'ok    '} ${check.name.padEnd(10)} ${seconds.toFixed(1)} s\n`)
    report({ kind: failed ? 'failed' : 'passed', name: `check: ${check.name}` })
    if (failed) process.exitCode = 1
  }
}
await Promise.all(fix ? [worker()] : [worker(), worker()])
