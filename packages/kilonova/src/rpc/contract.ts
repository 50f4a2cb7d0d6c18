/** RPC contracts are values: a client and a server are made from one, both ends parse, and a missing handler does not compile. */
import type { RequestContext } from '@kilonova/base/context.ts'
import type { Json } from '../domain/json.ts'
import type { Bus } from './bus.ts'

export interface Schema<T> {
  parse(value: unknown): T
}
export interface Method<I, O> {
  readonly input: Schema<I>
  readonly output: Schema<O>
}
// A schema only gives values out, so every method is a `Method<unknown, unknown>`.
export type Contract = Readonly<Record<string, Method<unknown, unknown>>>
type Input<M> = M extends Method<infer I, infer _O> ? I : never
type Output<M> = M extends Method<infer _I, infer O> ? O : never

export const method = <I, O>(input: Schema<I>, output: Schema<O>): Method<I, O> => ({ input, output })

/** Callers may pass what they hold read-only: it is serialised anyway. */
type Given<T> = T extends readonly (infer E)[]
  ? readonly Given<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Given<T[K]> }
    : T

export type Client<C extends Contract> = {
  readonly [K in keyof C]: (input: Given<Input<C[K]>>) => Promise<Output<C[K]>>
}
export type Handlers<C extends Contract> = {
  readonly [K in keyof C]: (input: Input<C[K]>, context: RequestContext) => Promise<Output<C[K]>>
}

export function client<C extends Contract>(
  contract: C,
  bus: Pick<Bus, 'call'>,
  topic: string,
  context: RequestContext,
  timeoutMs?: number,
): Client<C> {
  const call =
    (name: string, { input, output }: Method<unknown, unknown>) =>
    async (value: unknown) =>
      output.parse(
        await bus.call({
          topic,
          method: name,
          input: input.parse(value) as Json,
          context,
          ...(timeoutMs === undefined ? {} : { timeoutMs }),
        }),
      )
  // One is made for each step of a task, which calls a method or two of many.
  return new Proxy({} as Client<C>, {
    get: (_, name) => {
      const method = typeof name === 'string' ? contract[name] : undefined
      return method && call(String(name), method)
    },
  })
}

/** Serves a topic; returns a function that stops it. */
export function serve<C extends Contract>(
  contract: C,
  handlers: Handlers<C>,
  bus: Bus,
  topic: string,
): () => Promise<void> {
  return bus.serve(topic, async (name, value, context) => {
    const m = Object.hasOwn(contract, name) ? contract[name] : undefined
    const handle = handlers[name] as ((input: unknown, context: RequestContext) => Promise<unknown>) | undefined
    if (!m || !handle) throw new Error(`topic ${topic} has no method ${name}`)
    return m.output.parse(await handle(m.input.parse(value), context)) as Json
  })
}
