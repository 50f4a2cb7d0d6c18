/**
 * An action is a list of do/undo steps, named and typed: a step sees what earlier steps returned, and nothing else.
 *
 *     admitted ──> step 1 ──> step 2 ──> [pivot] ──> step 3 ──> then
 *                    │ fails      │ fails               │ fails: tried again until it succeeds
 *                    └── undone <─┘ newest first, the failed one included
 *
 * This room knows no hypervisor and no HTTP: `actionsWith<Reach>()` fixes what steps may reach.
 */
import type { Log } from '@kilonova/base/log.ts'
import type { Json } from '../domain/json.ts'
import type { Server } from '../domain/server.ts'
import type { PowerState, TaskState, VmState } from '../domain/states.ts'

/** What every step gets, whatever the program's own context adds. */
export interface Base<Body> {
  /** The server as it is now; read again before each step. */
  readonly server: Server
  /** The states the server had when the action was admitted: what undo goes back to. */
  readonly admitted: Admitted
  readonly body: Body
  /** `<task>/<step>`, the same in every repetition: pass it on to make outside calls idempotent. */
  readonly key: string
  /** UUIDv5 of the key: the id of a thing that this step makes elsewhere. */
  readonly id: string
  /** False when the step may have run before, here or in a process that died: look before you make. */
  readonly firstTry: boolean
  /** Aborted when the task is cancelled (not in undo, and not after the pivot) or when this conductor lets go of it. */
  readonly signal: AbortSignal
  readonly log: Log
  /** 0 to 100, shown to users while a step moves data. */
  progress(percent: number): void
  /** Waits for something that happens outside. Durable: the deadline counts from the first time the step began. Undefined: it passed. */
  waitFor(event: { readonly name: string; readonly tag?: string }, deadlineSeconds: number): Promise<Json | undefined>
}

export interface Admitted {
  readonly vmState: VmState
  readonly taskState: TaskState
  readonly powerState: PowerState
}

export interface StepBody<Ctx, Done, Out extends Json | void> {
  /** What users see meanwhile; kept until a later step names another. */
  readonly taskState?: Exclude<TaskState, null>
  /** What is gone for good once it ran. */
  readonly loses?: readonly ('memory' | 'disk')[]
  run(ctx: Ctx, done: Done): Promise<Out>
  /** Called for every started step, also when `run` failed or its answer was lost: `out` is then undefined, and what to remove is found by key. */
  undo?(ctx: Ctx, done: Done, out: Out | undefined): Promise<void>
}

/** A step as the runner sees it: its types have done their work at the builder. */
export interface Step<Ctx> {
  readonly name: string
  readonly taskState?: Exclude<TaskState, null>
  readonly loses?: readonly ('memory' | 'disk')[]
  run(ctx: Ctx, done: never): Promise<Json | void>
  undo?(ctx: Ctx, done: never, out: never): Promise<void>
}

export interface When {
  readonly vmState: readonly VmState[] | 'any'
  /** Task states in which it may be asked for; without it only null. */
  readonly taskState?: readonly TaskState[] | 'any'
  /** It may be done to a locked server by its owner too. */
  readonly allowLocked?: boolean
  /** The server must have been placed. */
  readonly needsHost?: boolean
}

export interface Spec<Body> {
  readonly body: { parse(value: unknown): Body }
  readonly policy: string
  readonly when: When
  /** What a running task means: 409, or it is cancelled and undone first. */
  readonly duringTask: 'refuse' | 'cancel'
  /**
   * It finds by key, and removes, whatever any other action may have made for the server. A task that it cancels is undone too,
   * so that nothing runs beside it, but an undo that fails holds it up no longer. Said also of what takes all that for granted.
   */
  readonly removesAll?: boolean
  /** Asked for again while it already runs: accepted, and nothing new begins. */
  readonly repeatable?: boolean
  readonly taskState: Exclude<TaskState, null>
  /** The states after success. A function where they depend on what was admitted. */
  readonly then: Then | ((admitted: Admitted, body: Body) => Then)
  /** The vmState after undo; without it the one admitted. */
  readonly otherwise?: VmState
  /** The name that `os-instance-actions` shows, and the event upstream records for it, if any. */
  readonly shownAs: { readonly action: string; readonly event: string | null }
}
export interface Then {
  readonly vmState?: VmState
  readonly powerState?: PowerState
}

export interface Action<Ctx, Body, Done> extends Spec<Body> {
  readonly name: string
  readonly steps: readonly Step<Ctx & Base<Body>>[]
  /** Steps from this index on are only ever done, never undone. */
  readonly pivotAt: number
  step<Name extends string, Out extends Json | void>(
    name: Name extends keyof Done ? never : Name,
    step: StepBody<Ctx & Base<Body>, Done, Out>,
  ): Action<Ctx, Body, Done & Readonly<Record<Name, Out>>>
  /** The point of no return. */
  pivot(): Action<Ctx, Body, Done>
}

/** An action of any body and any steps, as registries and the runner hold it. */
export interface AnyAction<Ctx> extends Omit<Spec<unknown>, 'body' | 'then'> {
  readonly name: string
  readonly then: Then | ((admitted: Admitted, body: never) => Then)
  readonly body: { parse(value: unknown): unknown }
  readonly steps: readonly Step<Ctx & Base<never>>[]
  readonly pivotAt: number
}

export const actionsWith =
  <Ctx>() =>
  <Body>(name: string, spec: Spec<Body>): Action<Ctx, Body, object> => {
    type Steps = Action<Ctx, Body, object>['steps']
    const build = <Done>(steps: Steps, pivotAt: number): Action<Ctx, Body, Done> => ({
      ...spec,
      name,
      steps,
      pivotAt,
      step: (stepName, step) => {
        if (steps.some((other) => other.name === stepName)) throw new Error(`${name} has two steps called ${stepName}`)
        return build([...steps, { ...step, name: stepName } as Step<Ctx & Base<Body>>], pivotAt)
      },
      pivot: () => {
        if (pivotAt !== Infinity) throw new Error(`${name} has two pivots`)
        return build(steps, steps.length)
      },
    })
    return build(steps0(), Infinity)
  }

const steps0 = (): readonly never[] => []
