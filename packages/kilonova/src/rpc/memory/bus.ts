/** The bus inside one process. Messages are serialised as on a real one; seeded weather drops, repeats, delays and reorders them. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Json } from '../../domain/json.ts'
import { NoAnswerError, RemoteError, type Bus, type Call } from '../bus.ts'

/** Chances from 0 to 1 per message; delays up to `delayMs` also reorder. */
export interface Weather {
  readonly random: () => number
  readonly drop: number
  readonly duplicate: number
  readonly delayMs: number
}

const DEFAULT_TIMEOUT_MS = 60_000
type Handler = Parameters<Bus['serve']>[1]

export function memoryBus(weather?: Weather): Bus {
  const servers = new Map<string, Handler[]>()
  const listeners = new Map<string, Set<(event: Json) => void>>()
  let turn = 0
  const happens = (chance: number): boolean => weather !== undefined && weather.random() < chance
  const travel = async (): Promise<void> => {
    if (weather && weather.delayMs > 0) await delay(weather.random() * weather.delayMs)
  }
  const copy = (value: Json): Json => JSON.parse(JSON.stringify(value ?? null)) as Json

  /** Resolves with the answer, never when a message is lost, and rejects as the handler did. */
  async function deliver(
    handle: Handler,
    { method, input, context }: Call,
  ): Promise<{ lost: true } | { lost: false; answer: Json }> {
    await travel()
    if (happens(weather?.drop ?? 0)) return { lost: true }
    const work = () => handle(method, copy(input), context)
    // The second copy takes its own time: it may arrive long after the first was answered.
    if (happens(weather?.duplicate ?? 0))
      travel()
        .then(work)
        .catch(() => undefined)
    const answer = await work().catch((error: Error) => {
      throw new RemoteError(error.name, error.message, 'retryable' in error && error.retryable === true)
    })
    await travel()
    return happens(weather?.drop ?? 0) ? { lost: true } : { lost: false, answer: copy(answer) }
  }

  return {
    call: async (call) => {
      const handlers = servers.get(call.topic) ?? []
      const handle = handlers[turn++ % Math.max(1, handlers.length)]
      if (!handle) throw new NoAnswerError(`nobody serves ${call.topic}`)
      const timeoutMs = call.timeoutMs ?? DEFAULT_TIMEOUT_MS
      const { promise, resolve, reject } = Promise.withResolvers<Json>()
      const timer = setTimeout(
        () => reject(new NoAnswerError(`${call.topic} did not answer ${call.method} within ${timeoutMs} ms`)),
        timeoutMs,
      )
      deliver(handle, call).then((result) => result.lost || resolve(result.answer), reject)
      return promise.finally(() => clearTimeout(timer))
    },
    serve: (topic, handle) => {
      servers.set(topic, [...(servers.get(topic) ?? []), handle])
      return async () =>
        void servers.set(
          topic,
          (servers.get(topic) ?? []).filter((other) => other !== handle),
        )
    },
    publish: (topic, event) => {
      const sent = copy(event)
      for (const listener of listeners.get(topic) ?? [])
        for (let copies = happens(weather?.duplicate ?? 0) ? 2 : 1; copies > 0; copies--)
          void travel().then(() => happens(weather?.drop ?? 0) || listener(sent))
    },
    subscribe: (topic, listener) => {
      const set = listeners.get(topic) ?? new Set()
      listeners.set(topic, set.add(listener))
      return () => void set.delete(listener)
    },
    close: async () => {
      servers.clear()
      listeners.clear()
    },
  }
}
