/** What can go wrong at one step of an action, and how the world must end then: as before, or as the action's `then`. */
import type { ServerAction } from '@kilonova/kilonova/actions/define.ts'
import { NoAnswerError } from '@kilonova/kilonova/rpc/bus.ts'

type Step = ServerAction['steps'][number]

/** Ends the process that runs the step. */
export type Die = () => never

export interface Harm {
  readonly name: string
  /** Where the step can be undone. After the pivot every harm ends in `then`. */
  readonly ends: 'before' | 'then'
  /** Only for steps that have an undo. */
  readonly needsUndo?: boolean
  /** Where the runner itself is made to die, instead of inside the step. */
  readonly kill?: 'before' | 'after' | 'undo'
  readonly harmed: (step: Step, die: Die) => Step
}

class Refused extends Error {
  readonly retryable = false
}
const fail = (): never => {
  throw new Refused('asked to fail')
}
const lose = (): never => {
  throw new NoAnswerError('the answer was lost')
}

/** `odd` says what comes around the real `run`, by the number of the call. Only the very first real one is a first try. */
const around = (
  step: Step,
  odd: (call: number, real: () => ReturnType<Step['run']>) => ReturnType<Step['run']>,
): Step => {
  let call = 0
  let tried = false
  const real = (...[ctx, done]: Parameters<Step['run']>) => {
    const again = tried
    tried = true
    return step.run(again ? { ...ctx, firstTry: false } : ctx, done)
  }
  return { ...step, run: (ctx, done) => odd(++call, () => real(ctx, done)) }
}
const aroundUndo = (step: Step, odd: (call: number, real: () => Promise<void>) => Promise<void>): Step => {
  const { undo } = step
  let call = 0
  return undo ? { ...step, undo: (ctx, done, out) => odd(++call, () => undo(ctx, done, out)) } : step
}
const failsAfterEffect = (step: Step): Step =>
  around(step, async (call, real) => {
    const out = await real()
    return call === 1 ? fail() : out
  })

const asItIs = (step: Step): Step => step
/** More than the runner tries at once. */
const MANY = 3

export const HARMS: readonly Harm[] = [
  {
    name: 'has no effect and fails',
    ends: 'before',
    harmed: (step) => around(step, (call, real) => (call === 1 ? fail() : real())),
  },
  { name: 'has its effect and fails', ends: 'before', harmed: failsAfterEffect },
  {
    name: 'has its effect, and its answer is lost',
    ends: 'before',
    harmed: (step) =>
      around(step, async (call, real) => {
        const out = await real()
        return call <= MANY ? lose() : out
      }),
  },
  {
    name: 'has its effect, and its answer is lost once',
    ends: 'then',
    harmed: (step) =>
      around(step, async (call, real) => {
        const out = await real()
        return call === 1 ? lose() : out
      }),
  },
  { name: 'is never begun: the process dies before it', ends: 'then', kill: 'before', harmed: asItIs },
  { name: 'is done, and the process dies after it', ends: 'then', kill: 'after', harmed: asItIs },
  {
    name: 'has its effect, the process dies, and it fails when it is taken up again',
    ends: 'before',
    harmed: (step, die) =>
      around(step, async (call, real) => {
        if (call === 2) return fail()
        const out = await real()
        return call === 1 ? die() : out
      }),
  },
  {
    name: 'runs twice',
    ends: 'then',
    harmed: (step) =>
      around(step, async (_call, real) => {
        await real()
        return real()
      }),
  },
  {
    name: 'fails, and the process dies before its undo',
    ends: 'before',
    needsUndo: true,
    harmed: (step, die) => aroundUndo(failsAfterEffect(step), async (call, real) => (call === 1 ? die() : real())),
  },
  {
    name: 'fails, and the process dies after its undo',
    ends: 'before',
    needsUndo: true,
    kill: 'undo',
    harmed: failsAfterEffect,
  },
  {
    name: 'fails, and its undo runs twice',
    ends: 'before',
    needsUndo: true,
    harmed: (step) =>
      aroundUndo(failsAfterEffect(step), async (_call, real) => {
        await real()
        await real()
      }),
  },
  {
    name: 'fails, and its undo has its effect and fails at first',
    ends: 'before',
    needsUndo: true,
    harmed: (step) =>
      aroundUndo(failsAfterEffect(step), async (call, real) => {
        await real()
        if (call <= 2) fail()
      }),
  },
]
