/** One life of a process inside this one: after its death nothing that it still does reaches the database, the bus or anybody. */
import type { Kysely, KyselyPlugin } from 'kysely'
import type { Bus } from '@kilonova/kilonova/rpc/bus.ts'

class DeadError extends Error {
  override readonly name = 'DeadError'
}

export interface Life {
  readonly died: Promise<void>
  /** Ends it here: what runs is thrown out and may write nothing more. */
  die(): never
  database<T>(db: Kysely<T>): Kysely<T>
  bus(bus: Bus): Bus
}

export function life(): Life {
  const death = Promise.withResolvers<void>()
  let dead = false
  const mustLive = (): void => {
    if (dead) throw new DeadError('this process is dead')
  }
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => {
      mustLive()
      return node
    },
    transformResult: async ({ result }) => result,
  }
  return {
    died: death.promise,
    die: () => {
      dead = true
      death.resolve()
      throw new DeadError('the process dies here')
    },
    database: (db) => db.withPlugin(plugin),
    bus: (bus) => ({
      call: async (call) => {
        mustLive()
        const answer = await bus.call(call)
        mustLive()
        return answer
      },
      serve: (topic, handle) =>
        bus.serve(topic, async (...asked) => {
          mustLive()
          return handle(...asked)
        }),
      publish: (topic, event) => void (dead || bus.publish(topic, event)),
      subscribe: (topic, listener) => bus.subscribe(topic, (event) => void (dead || listener(event))),
      close: () => bus.close(),
    }),
  }
}
