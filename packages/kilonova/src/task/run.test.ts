import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as soon } from 'node:timers/promises'
import { silentLog } from '@kilonova/base/log.ts'
import { z } from 'zod'
import { NovaError } from '../domain/errors.ts'
import { actionsWith, type AnyAction, type Base, type Spec } from './action.ts'
import { FencedError, type Task } from './journal.ts'
import { killPoints, type KillPoints } from './kill-points.ts'
import { run } from './run.ts'
import { cancelReason, type Outcome } from './runner.ts'
import { demoTask, memoryStore, type MemoryStore } from './testing/memory-store.ts'

interface Reach {
  readonly did: string[]
  readonly epoch: number
}
type Ctx = Reach & Base<null>

const SPEC: Spec<null> = {
  body: z.null(),
  policy: 'p',
  when: { vmState: 'any' },
  duringTask: 'refuse',
  taskState: 'spawning',
  then: { vmState: 'stopped' },
  shownAs: { action: 'shelve', event: 'e' },
}
const action = actionsWith<Reach>()
const shelve = (spec: Partial<Spec<null>> = {}) => action('shelve', { ...SPEC, ...spec })
/** A step that notes what is done and undone. */
const noting = (name: string, more: (ctx: Ctx) => Promise<string> = async () => name) => ({
  run: async (ctx: Ctx) => {
    ctx.did.push(name)
    return more(ctx)
  },
  undo: async ({ did }: Ctx, _done: object, out: string | undefined) => void did.push(`undo ${name} ${out}`),
})
const fails =
  (error: Error = new Error('no')) =>
  async (): Promise<string> => {
    throw error
  }

function bench(wish: { readonly retryTries?: number; readonly store?: MemoryStore; readonly kills?: KillPoints } = {}) {
  const clock = { at: 1_000, now: () => clock.at }
  const store = wish.store ?? memoryStore(clock.now)
  const did: string[] = []
  const cancel = new AbortController()
  const stop = new AbortController()
  return {
    clock,
    store,
    did,
    cancel,
    stop,
    run: (what: AnyAction<Reach>, task: Task = demoTask()): Promise<Outcome> =>
      run(
        {
          store,
          clock,
          log: silentLog,
          kills: wish.kills ?? killPoints({}),
          retryTries: wish.retryTries ?? 3,
          retryFirstDelayMs: 0,
          maxBackOffMs: 64,
          removesAll: (name) => name === 'delete',
          reach: ({ epoch }) => ({ did, epoch }),
        },
        what,
        { ...task, epoch: store.epoch },
        { cancel: cancel.signal, stop: stop.signal },
      ),
  }
}
const journal = ({ entries }: MemoryStore) => entries.map(({ event, step }) => `${event} ${step}`)

test('steps run in order, see what earlier ones returned, and show their task states', async () => {
  const b = bench()
  const seen: unknown[] = []
  const what = shelve()
    .step('a', { run: async () => 1 })
    .step('b', { taskState: 'networking', run: async (_ctx, { a }) => a + 1 })
    .step('c', { run: async (_ctx, done) => void seen.push(done) })
  assert.equal(await b.run(what), 'succeeded')
  assert.deepEqual(seen, [{ a: 1, b: 2 }])
  assert.deepEqual(journal(b.store), ['started a', 'done a', 'started b', 'done b', 'started c', 'done c'])
  assert.deepEqual(b.store.taskStates, ['networking'])
  assert.deepEqual(b.store.ending, { result: 'succeeded', then: { vmState: 'stopped' } })
})

test('a failure undoes every started step, newest first, the failed one too, under a new epoch', async () => {
  const b = bench()
  const epochs: number[] = []
  const what = shelve()
    .step('a', { ...noting('a'), undo: async ({ did, epoch }) => void (did.push('undo a'), epochs.push(epoch)) })
    .step('b', noting('b', fails()))
    .step('c', noting('c'))
  assert.equal(await b.run(what), 'undone')
  assert.deepEqual(b.did, ['a', 'b', 'undo b undefined', 'undo a'])
  assert.deepEqual(epochs, [2])
  assert.deepEqual(journal(b.store), ['started a', 'done a', 'started b', 'failed b', 'undone b', 'undone a'])
  assert.ok(b.store.ending?.result === 'undone')
  assert.deepEqual([b.store.ending.vmState, b.store.ending.fault.message], ['active', 'no'])
})

test('only what may pass by itself is tried again, and the second try knows that it is one', async () => {
  const b = bench()
  const tries: boolean[] = []
  const flaky = async ({ firstTry }: Ctx): Promise<string> => {
    tries.push(firstTry)
    if (tries.length < 3) throw new NovaError('ServiceUnavailable', { service: 'image' })
    return 'at last'
  }
  assert.equal(await b.run(shelve().step('a', noting('a', flaky))), 'succeeded')
  assert.deepEqual(tries, [true, false, false])
  const other = bench()
  assert.equal(await other.run(shelve().step('a', noting('a', fails()))), 'undone')
  assert.deepEqual(other.did, ['a', 'undo a undefined'])
})

test('after the pivot a task only goes forward: put off with growing waits, never undone, deaf to cancellation', async () => {
  const b = bench()
  let failing = true
  const signals: boolean[] = []
  const what = shelve()
    .step('a', noting('a'))
    .pivot()
    .step(
      'b',
      noting('b', async ({ signal }) => (signals.push(signal.aborted), failing ? fails()() : 'ok')),
    )
  assert.equal(await b.run(what), 'postponed')
  b.cancel.abort(cancelReason('delete'))
  assert.equal(await b.run(what, demoTask({ attempts: 1 })), 'postponed')
  assert.equal(await b.run(what, demoTask({ attempts: 20 })), 'postponed')
  failing = false
  assert.equal(await b.run(what, demoTask({ attempts: 21 })), 'succeeded')
  assert.deepEqual(b.did, ['a', 'b', 'b', 'b', 'b'])
  assert.deepEqual(signals, [false, false, false, false])
  assert.ok(
    b.store.postponed.every(
      ({ reason, runAt }) => reason === 'b: no' && Number.isInteger(runAt) && runAt <= b.clock.at + 64,
    ),
  )
})

test('cancelled between two steps, it is undone with the canceller as the reason', async () => {
  const b = bench()
  const what = shelve()
    .step(
      'a',
      noting('a', async () => (b.cancel.abort(cancelReason('rebootHard')), 'a')),
    )
    .step('b', noting('b'))
  assert.equal(await b.run(what), 'undone')
  assert.deepEqual(b.did, ['a', 'undo a a'])
  assert.ok(b.store.ending?.result === 'undone')
  assert.equal(b.store.ending.fault.message, 'Cancelled by rebootHard.')
})

test('cancelled while it waits, it is undone at once; the undo itself is not cut short', async () => {
  const b = bench()
  let aborted: boolean | undefined
  const what = shelve().step('a', {
    run: async ({ waitFor }) => {
      queueMicrotask(() => b.cancel.abort(cancelReason('rebootHard')))
      await waitFor({ name: 'never' }, 3600)
    },
    undo: async ({ signal }) => void (aborted = signal.aborted),
  })
  assert.equal(await b.run(what), 'undone')
  assert.equal(aborted, false)
})

test('an undo that fails is put off, and the next run goes on where it stands', async () => {
  const b = bench()
  let failing = true
  const what = shelve()
    .step('a', noting('a'))
    .step('b', {
      ...noting('b'),
      undo: async ({ did }) => {
        did.push('undo b')
        if (failing) throw new Error('no')
      },
    })
    .step('c', noting('c', fails(new Error('the reason'))))
  assert.equal(await b.run(what), 'postponed')
  failing = false
  assert.equal(await b.run(what, demoTask({ attempts: 1 })), 'undone')
  assert.deepEqual(b.did, ['a', 'b', 'c', 'undo c undefined', 'undo b', 'undo b', 'undo a a'])
  assert.ok(b.store.ending?.result === 'undone')
  assert.equal(b.store.ending.fault.message, 'the reason')
})

test('cancelled by what removes everything, an undo that fails ends it, and leaves the rest to the canceller', async () => {
  const b = bench()
  b.cancel.abort(cancelReason('delete'))
  b.store.entries.push(
    { event: 'started', step: 'a', at: 1 },
    { event: 'done', step: 'a', output: 'a', at: 1 },
    { event: 'started', step: 'b', at: 1 },
  )
  const what = shelve()
    .step('a', noting('a'))
    .step('b', {
      ...noting('b'),
      undo: async ({ did }) => {
        did.push('undo b')
        throw new NovaError('ServiceUnavailable', { service: 'network' })
      },
    })
  assert.equal(await b.run(what), 'undone')
  assert.deepEqual(b.did, ['undo b'])
})

test('a lost lease ends it at the next write: nothing is undone, nothing is written', async () => {
  const b = bench()
  const what = shelve()
    .step(
      'a',
      noting('a', async () => (b.store.epoch++, 'a')),
    )
    .step('b', noting('b'))
  assert.equal(await b.run(what), 'fenced')
  assert.deepEqual([b.did, journal(b.store), b.store.ending], [['a'], ['started a'], undefined])
})

test('let go of while it waits, it stops where it stands; the next run takes the step up again', async () => {
  const b = bench()
  const what = shelve().step(
    'a',
    noting('a', async ({ waitFor }) => String(await waitFor({ name: 'power', tag: 'shutdown' }, 3600))),
  )
  const first = b.run(what)
  queueMicrotask(() => b.stop.abort(new FencedError('the conductor stops')))
  assert.equal(await first, 'fenced')
  assert.deepEqual(journal(b.store), ['started a'])
  const next = bench({ store: b.store })
  b.store.happen('power', 'shutdown', 'off')
  assert.equal(await next.run(what), 'succeeded')
  assert.deepEqual(b.store.entries.at(-1), { event: 'done', step: 'a', output: 'off', at: 1_000 })
})

/** Held there until the signal is aborted; `reached` tells when it is. */
function holdingAt(point: string) {
  const reached = Promise.withResolvers<void>()
  const kills: KillPoints = {
    ...killPoints({}),
    hold: async (name, step, when, signal) => {
      if (`${name}/${step}/${when}` !== point) return
      reached.resolve()
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  }
  return { kills, reached: reached.promise }
}
const twoSteps = () => shelve().step('a', noting('a')).step('b', noting('b'))

test('cancelled while it is held before a step, the step is not run, and all is undone', async () => {
  const { kills, reached } = holdingAt('shelve/b/before')
  const b = bench({ kills })
  const ended = b.run(twoSteps())
  await reached
  assert.deepEqual([b.did, journal(b.store)], [['a'], ['started a', 'done a', 'started b']])
  b.cancel.abort(cancelReason('delete'))
  assert.equal(await ended, 'undone')
  assert.deepEqual(b.did, ['a', 'undo b undefined', 'undo a a'])
})

test('cancelled while it is held after a step, the step counts as done, and is undone with its output', async () => {
  const { kills, reached } = holdingAt('shelve/a/after')
  const b = bench({ kills })
  const ended = b.run(twoSteps())
  await reached
  b.cancel.abort(cancelReason('delete'))
  assert.equal(await ended, 'undone')
  assert.deepEqual(b.did, ['a', 'undo a a'])
})

test('let go of while it is held, it stops where it stands; after the pivot it is deaf to cancellation', async () => {
  const { kills, reached } = holdingAt('shelve/b/before')
  const b = bench({ kills })
  const ended = b.run(shelve().step('a', noting('a')).pivot().step('b', noting('b')))
  await reached
  b.cancel.abort(cancelReason('delete'))
  await soon()
  assert.deepEqual(b.did, ['a'])
  b.stop.abort(new FencedError('the conductor stops'))
  assert.equal(await ended, 'fenced')
  assert.deepEqual([b.did, journal(b.store).at(-1), b.store.ending], [['a'], 'started b', undefined])
})

test('a deadline counts from the first time the step began, not from the restart; older events do not count', async () => {
  const b = bench()
  b.store.happen('power', '', 'too old')
  b.clock.at = 5_000
  b.store.entries.push({ event: 'started', step: 'a', at: 5_000 })
  b.clock.at += 60_001
  const what = shelve().step(
    'a',
    noting('a', async ({ waitFor }) => String(await waitFor({ name: 'power' }, 60))),
  )
  assert.equal(await b.run(what), 'succeeded')
  assert.deepEqual(b.store.entries.at(-1), { event: 'done', step: 'a', output: 'undefined', at: 65_001 })
})

test('progress is handed on; a body that no version of ours could have kept is put off, visibly', async () => {
  const b = bench()
  assert.equal(await b.run(shelve().step('a', { run: async ({ progress }) => progress(42) })), 'succeeded')
  assert.deepEqual(b.store.progressed, [42])
  assert.equal(await bench().run(shelve().step('a', noting('a')), demoTask({ body: 'wrong' })), 'postponed')
})

test('the states after success may depend on what was admitted', async () => {
  const b = bench()
  assert.equal(await b.run(shelve({ then: ({ powerState }) => ({ powerState }) }).step('a', noting('a'))), 'succeeded')
  assert.deepEqual(b.store.ending, { result: 'succeeded', then: { powerState: 'running' } })
})

test('two steps of one name, and two pivots, are refused where they are written', () => {
  const one = shelve().step('a', noting('a'))
  assert.throws(() => one.step('a' as never, noting('a')), /two steps called a/)
  assert.throws(() => one.pivot().pivot(), /two pivots/)
})
