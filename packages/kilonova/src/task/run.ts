/**
 * Starts a task, or carries on with one after a crash: the two are the same function. The journal says `started` before a step,
 * `done` or `failed` after it, `undone` after its undo; the state a process died in is read off that.
 */
import { backOffMs, retry } from '@kilonova/base/retry.ts'
import { uuid5 } from '@kilonova/base/uuid5.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Json } from '../domain/json.ts'
import { isNovaError } from '../domain/errors.ts'
import type { TaskState } from '../domain/states.ts'
import type { AnyAction, Base, Step } from './action.ts'
import { FencedError, type Entry, type Ending, type NewEntry, type Task } from './journal.ts'
import { asReason, causes, faultOf, isTransient, ofReason } from './failure.ts'
import type { Outcome, Runner, Signals } from './runner.ts'
import { waitFor } from './wait-for.ts'

/** Runs the task to its end, or until it must wait or is let go. Never throws for what a step does. */
export async function run<Ctx>(
  runner: Runner<Ctx>,
  action: AnyAction<Ctx>,
  task: Task,
  signals: Signals,
): Promise<Outcome> {
  try {
    return await new Run(runner, action, task, signals).go()
  } catch (error) {
    if (error instanceof FencedError) return 'fenced'
    throw error
  }
}

interface Attempt {
  readonly firstTry: boolean
  readonly signal: AbortSignal
  readonly tries: number
}

class Run<Ctx> {
  readonly #runner: Runner<Ctx>
  readonly #action: AnyAction<Ctx>
  readonly #cancel: AbortSignal
  readonly #stop: AbortSignal
  readonly #log: Log
  #task: Task
  /** Whether this run has sent anything that could still be on its way when undo begins. */
  #acted = false
  /** When each step began for the first time. */
  readonly #started = new Map<string, number>()
  readonly #undone = new Set<string>()
  readonly #outputs = new Map<string, Json>()
  #failure: { readonly step: string; readonly error: unknown } | undefined
  /** Entries that go into the next write: what ends one step is written together with what begins the next. */
  #pending: NewEntry[] = []

  constructor(runner: Runner<Ctx>, action: AnyAction<Ctx>, task: Task, { cancel, stop }: Signals) {
    this.#runner = runner
    this.#action = action
    this.#task = task
    this.#cancel = cancel
    this.#stop = stop
    this.#log = runner.log.with({
      requestId: task.requestId,
      user: task.userId,
      project: task.projectId,
      server: task.serverId,
      task: `${action.name}/${task.id}`,
    })
  }

  async go(): Promise<Outcome> {
    const past = await this.#runner.store.read(this.#task)
    for (const entry of past) this.#remember(entry)
    const resumed = past.length > 0
    if (resumed) this.#log.info('task taken up again', { steps: this.#started.size, failed: this.#failure?.step })
    for (const [index, step] of this.#action.steps.entries()) {
      if (this.#failure) break
      if (this.#outputs.has(step.name)) continue
      this.#stop.throwIfAborted()
      if (this.#cancel.aborted && index < this.#action.pivotAt) {
        this.#failure = { step: step.name, error: this.#cancel.reason }
        this.#pending.push({ event: 'failed', step: step.name, reason: asReason(this.#cancel.reason) })
        break
      }
      const problem = await this.#do(step, index)
      if (problem) return this.#putOff(step, problem.error)
    }
    if (this.#failure) return this.#undo()
    const then = this.#action.then
    await this.#finish({
      result: 'succeeded',
      then:
        typeof then === 'function'
          ? then(this.#task.admitted, this.#action.body.parse(this.#task.body) as never)
          : then,
    })
    return 'succeeded'
  }

  #remember(entry: Entry): void {
    if (entry.event === 'started' && !this.#started.has(entry.step)) this.#started.set(entry.step, entry.at)
    if (entry.event === 'done') this.#outputs.set(entry.step, entry.output)
    if (entry.event === 'undone') this.#undone.add(entry.step)
    if (entry.event === 'failed') this.#failure = { step: entry.step, error: ofReason(entry.reason) }
  }

  /** Returns the error when the step lies after the pivot and must be tried again later. */
  async #do(step: Step<Ctx & Base<never>>, index: number): Promise<{ readonly error: unknown } | undefined> {
    const firstTry = !this.#started.has(step.name)
    if (firstTry) {
      this.#started.set(step.name, this.#runner.clock.now())
      this.#pending.push({ event: 'started', step: step.name })
      await this.#flush(step.taskState)
    }
    const mayFail = index < this.#action.pivotAt
    const signal = mayFail ? AbortSignal.any([this.#cancel, this.#stop]) : this.#stop
    await this.#runner.kills.hold(this.#action.name, step.name, 'before', signal)
    this.#runner.kills.kill(this.#action.name, step.name, 'before')
    this.#acted = true
    let output: Json
    try {
      signal.throwIfAborted()
      output =
        (await this.#attempt(step, { firstTry, signal, tries: this.#runner.retryTries }, (ctx) =>
          step.run(ctx, this.#results()),
        )) ?? null
      this.#runner.kills.fail(this.#action.name, step.name)
    } catch (error) {
      this.#throwIfLetGo(error)
      const why = this.#cancel.aborted && mayFail ? this.#cancel.reason : error
      this.#log.warn('step failed', { step: step.name, error: why })
      if (!mayFail) return { error: why }
      this.#failure = { step: step.name, error: why }
      this.#pending.push({ event: 'failed', step: step.name, reason: asReason(why) })
      return undefined
    }
    await this.#runner.kills.hold(this.#action.name, step.name, 'after', signal)
    this.#runner.kills.kill(this.#action.name, step.name, 'after')
    this.#outputs.set(step.name, output)
    this.#pending.push({ event: 'done', step: step.name, output })
    return undefined
  }

  #throwIfLetGo(error: unknown): void {
    if (error instanceof FencedError) throw error
    this.#stop.throwIfAborted()
  }

  /** Newest first, every started step, the failed one included. */
  async #undo(): Promise<Outcome> {
    await this.#flush()
    if (this.#acted) this.#task = await this.#runner.store.renewEpoch(this.#task)
    for (const step of this.#action.steps
      .slice(0, Math.min(this.#action.pivotAt, this.#action.steps.length))
      .toReversed()) {
      if (!this.#started.has(step.name) || this.#undone.has(step.name)) continue
      if (step.undo) {
        await this.#flush()
        try {
          const undo = step.undo.bind(step)
          const how = {
            firstTry: false,
            signal: this.#stop,
            tries: this.#willBeRemoved() ? 1 : this.#runner.retryTries,
          }
          await this.#attempt(step, how, (ctx) => undo(ctx, this.#results(), this.#outputs.get(step.name) as never))
        } catch (error) {
          this.#throwIfLetGo(error)
          if (!this.#willBeRemoved()) return this.#putOff(step, error)
          // The older steps stay as they are: where the server is must not be forgotten before it is removed there.
          this.#log.warn('undo failed, what cancelled the task removes the rest', { step: step.name, error })
          break
        }
        this.#runner.kills.kill(this.#action.name, step.name, 'undo')
      }
      this.#undone.add(step.name)
      this.#pending.push({ event: 'undone', step: step.name })
    }
    const fault = faultOf(this.#failure?.error, this.#runner.clock.now())
    await this.#finish({
      result: 'undone',
      vmState: this.#action.otherwise ?? this.#task.admitted.vmState,
      admitted: this.#task.admitted,
      fault,
    })
    this.#log.warn('task undone', { step: this.#failure?.step, reason: fault.message })
    return 'undone'
  }

  /** Cancelled by an action that removes everything of the server: then there is nothing to insist on. */
  #willBeRemoved(): boolean {
    const { aborted, reason } = this.#cancel
    return aborted && isNovaError(reason, 'Cancelled') && this.#runner.removesAll(reason.detail.by)
  }

  /** It never gives up and never blocks others: the task is let go and taken up again later, and says why. */
  async #putOff(step: Step<Ctx & Base<never>>, error: unknown): Promise<Outcome> {
    await this.#flush()
    const wait = Math.ceil(
      backOffMs(this.#task.attempts + 1, this.#runner.retryFirstDelayMs, this.#runner.maxBackOffMs),
    )
    this.#log.error('task put off', {
      step: step.name,
      error,
      seconds: Math.ceil(wait / 1000),
      attempts: this.#task.attempts + 1,
    })
    await this.#runner.store.postpone(this.#task, this.#runner.clock.now() + wait, `${step.name}: ${causes(error)}`)
    return 'postponed'
  }

  async #attempt<T>(
    step: Step<Ctx & Base<never>>,
    { firstTry, signal, tries }: Attempt,
    work: (ctx: Ctx & Base<never>) => Promise<T>,
  ): Promise<T> {
    let first = firstTry
    const { retryFirstDelayMs: firstDelayMs, maxBackOffMs: maxDelayMs } = this.#runner
    return retry(
      async () => {
        const ctx = await this.#context(step, first, signal)
        first = false
        return work(ctx)
      },
      { tries, firstDelayMs, maxDelayMs, signal, transient: isTransient },
    )
  }

  async #context(step: Step<Ctx & Base<never>>, firstTry: boolean, signal: AbortSignal): Promise<Ctx & Base<never>> {
    const { store, clock } = this.#runner
    const key = `${this.#task.id}/${step.name}`
    const base: Base<unknown> = {
      server: await store.server(this.#task),
      admitted: this.#task.admitted,
      body: this.#action.body.parse(this.#task.body),
      key,
      id: uuid5(key),
      firstTry,
      signal,
      log: this.#log.with({ step: step.name }),
      progress: (percent) =>
        void store
          .progress(this.#task, percent)
          .catch((error: unknown) => this.#log.debug('progress not kept', { error })),
      waitFor: ({ name, tag = '' }, deadlineSeconds) => {
        const since = this.#started.get(step.name) ?? clock.now()
        return waitFor({
          store,
          clock,
          task: this.#task,
          name,
          tag,
          since,
          deadline: since + deadlineSeconds * 1000,
          signal,
        })
      },
    }
    return { ...this.#runner.reach(this.#task, base), ...base } as Ctx & Base<never>
  }

  #results(): never {
    return Object.fromEntries(this.#outputs) as never
  }

  async #flush(taskState?: Exclude<TaskState, null>): Promise<void> {
    if (this.#pending.length === 0 && taskState === undefined) return
    const entries = this.#pending
    this.#pending = []
    await this.#runner.store.append(this.#task, entries, taskState)
  }

  async #finish(ending: Ending): Promise<void> {
    await this.#runner.store.finish(this.#task, this.#pending, ending)
    if (ending.result === 'succeeded') this.#log.info('task succeeded', { seconds: this.#seconds() })
  }

  #seconds(): number {
    const [first] = this.#started.values()
    return (this.#runner.clock.now() - (first ?? this.#runner.clock.now())) / 1000
  }
}
