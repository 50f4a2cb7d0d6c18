// Runs one stage in a process group of its own and within its time, and judges what it reported.
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { OUTCOMES, readOutcomes, type Outcome } from './test-outcomes.ts'
import type { Scratch } from './test-scratch.ts'
import type { Stage } from './test-stages.ts'

export type StageResult = {
  readonly name: string
  readonly passed: number
  /** A sentence for each test that failed or was skipped, and for what is wrong with the stage itself. */
  readonly failures: readonly string[]
  readonly seconds: number
}

type Options = { readonly cwd: string; readonly scratch: Scratch; readonly signal: AbortSignal }

export async function runStage(stage: Stage, { cwd, scratch, signal }: Options): Promise<StageResult> {
  const outcomes = join(scratch.folder, 'outcomes')
  rmSync(outcomes, { force: true })
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env
  const started = performance.now()
  const child = spawn(process.execPath, stage.args, {
    cwd,
    env: { ...inherited, ...scratch.environment, [OUTCOMES]: outcomes },
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true, // a group of its own, so that the whole of it can be ended
  })
  const killGroup = () => {
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // The group is empty.
    }
  }
  let late = false
  const timer = setTimeout(() => {
    late = true
    killGroup()
  }, stage.limitSeconds * 1000)
  signal.addEventListener('abort', killGroup)
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.on('error', reject)
  child.on('exit', (code) => resolve(code))
  try {
    const code = await promise
    const troubles = late
      ? [`took longer than ${stage.limitSeconds} s and was ended`]
      : signal.aborted
        ? ['was interrupted']
        : []
    return judge(stage.name, readOutcomes(outcomes), code, troubles, (performance.now() - started) / 1000)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', killGroup)
    killGroup()
  }
}

/** A stage is good when every test in it passed and there was at least one; a skipped test proves nothing and so fails it. */
export function judge(
  name: string,
  outcomes: readonly Outcome[],
  code: number | null,
  troubles: readonly string[],
  seconds: number,
): StageResult {
  const passed = outcomes.filter(({ kind }) => kind === 'passed').length
  const bad = outcomes
    .filter(({ kind }) => kind !== 'passed')
    .map((outcome) => `${outcome.kind}: ${outcome.name}${outcome.file === undefined ? '' : ` (${outcome.file})`}`)
  const own = [...troubles]
  if (outcomes.length === 0 && own.length === 0) own.push('ran no test')
  if (code !== 0 && bad.length === 0 && own.length === 0) own.push(`ended with code ${code} though no test failed`)
  return { name, passed, failures: [...bad, ...own], seconds }
}
