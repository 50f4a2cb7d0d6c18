import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { client, method, serve } from '../contract.ts'
import type { Json } from '../../domain/json.ts'
import { memoryBus } from './bus.ts'

const CONTEXT = { requestId: 'req-1', userId: 'u', projectId: 'p' }
const calculator = {
  add: method(z.strictObject({ a: z.int(), b: z.int() }), z.int()),
  fail: method(z.null(), z.null()),
}
const HANDLERS = {
  add: async ({ a, b }: { a: number; b: number }) => a + b,
  fail: async () => {
    throw Object.assign(new TypeError('broken'), { retryable: true })
  },
}

test('a call is answered; both ends parse', async () => {
  const bus = memoryBus()
  serve(calculator, HANDLERS, bus, 'calculator')
  const { add } = client(calculator, bus, 'calculator', CONTEXT)
  assert.equal(await add({ a: 1, b: 2 }), 3)
  await assert.rejects(add({ a: 1.5, b: 2 }), { name: 'ZodError' })
  const raw = (name: string, input: Json) => bus.call({ topic: 'calculator', method: name, input, context: CONTEXT })
  await assert.rejects(raw('add', { a: 1 }), { name: 'RemoteError', code: 'ZodError' })
  await assert.rejects(raw('toString', null), {
    name: 'RemoteError',
    message: 'topic calculator has no method toString',
  })
})

test('an error comes back with its name, its words and whether another try may help', async () => {
  const bus = memoryBus()
  serve(calculator, HANDLERS, bus, 'calculator')
  const { fail } = client(calculator, bus, 'calculator', CONTEXT)
  await assert.rejects(fail(null), { name: 'RemoteError', code: 'TypeError', message: 'broken', retryable: true })
})

test('nobody serves, nobody answers: said at once; a handler that hangs: said after the time-out', async () => {
  const bus = memoryBus()
  await assert.rejects(client(calculator, bus, 'nowhere', CONTEXT).add({ a: 1, b: 1 }), { name: 'NoAnswerError' })
  const stop = bus.serve('hangs', () => new Promise<never>(() => {}))
  await assert.rejects(client(calculator, bus, 'hangs', CONTEXT, 5).add({ a: 1, b: 1 }), { name: 'NoAnswerError' })
  await stop()
  await assert.rejects(client(calculator, bus, 'hangs', CONTEXT).add({ a: 1, b: 1 }), /nobody serves/)
})

test('messages are copies: nothing that one side holds is changed by the other', async () => {
  const bus = memoryBus()
  const sent = { list: [1] }
  bus.serve('echo', async (_method, input) => {
    ;(input as { list: number[] }).list.push(2)
    return input
  })
  assert.deepEqual(await bus.call({ topic: 'echo', method: '', input: sent, context: CONTEXT }), { list: [1, 2] })
  assert.deepEqual(sent, { list: [1] })
})

test('several that serve a topic take turns; everybody who listens hears an event', async () => {
  const bus = memoryBus()
  const answers = ['a', 'b']
  for (const answer of answers) bus.serve('who', async () => answer)
  const ask = () => bus.call({ topic: 'who', method: '', input: null, context: CONTEXT })
  assert.deepEqual(new Set([await ask(), await ask()]), new Set(answers))

  const both = Promise.withResolvers<void>()
  const heard: Json[] = []
  const hear = (event: Json) => void (heard.push(event) === 2 && both.resolve())
  bus.subscribe('news', hear)
  const stop = bus.subscribe('news', (event) => hear(event))
  bus.publish('news', { n: 1 })
  await both.promise
  stop()
  assert.deepEqual(heard, [{ n: 1 }, { n: 1 }])
})

test('weather: what is dropped is never heard, what is doubled is heard twice', async () => {
  const always = { random: () => 0.5, delayMs: 0 }
  const deaf = memoryBus({ ...always, drop: 1, duplicate: 0 })
  let calls = 0
  deaf.serve('t', async () => ++calls)
  await assert.rejects(deaf.call({ topic: 't', method: '', input: null, context: CONTEXT, timeoutMs: 5 }), {
    name: 'NoAnswerError',
  })
  assert.equal(calls, 0)

  const echoing = memoryBus({ ...always, drop: 0, duplicate: 1 })
  const twice = Promise.withResolvers<void>()
  echoing.serve('t', async () => (++calls === 2 && twice.resolve(), calls))
  await echoing.call({ topic: 't', method: '', input: null, context: CONTEXT })
  await twice.promise
})
