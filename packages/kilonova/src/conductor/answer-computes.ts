/** What computes ask of the conductor, since they have no database: keep my report, what do I owe, whose guests are these. */
import { keepReport } from '../db/hosts.ts'
import { owedBy, settle } from '../db/owed.ts'
import { placesOf } from '../db/server-lookups.ts'
import type { Bus } from '../rpc/bus.ts'
import { conductor, CONDUCTOR } from '../rpc/conductor.ts'
import { serve } from '../rpc/contract.ts'
import { powerSwept, type PowerReach } from './power.ts'

export interface Answers extends PowerReach {
  readonly bus: Bus
  readonly defaultZone: string
}

export function answerComputes(answers: Answers): () => Promise<void> {
  const { db, bus, clock, log, defaultZone } = answers

  async function overOn(host: string, ids: readonly string[]): Promise<string[]> {
    const places = new Map((await placesOf(db, ids)).map((place) => [place.id, place]))
    const unknown = ids.filter((id) => !places.has(id))
    if (unknown.length > 0)
      log.warn('guests of servers that are not known', { host, servers: unknown.slice(0, 20), count: unknown.length })
    return [...places.values()]
      .filter((place) => !place.busy && (place.deleted || place.host !== host))
      .map(({ id }) => id)
  }

  return serve(
    conductor,
    {
      reportHost: async ({ report }) => {
        await keepReport(db, report, defaultZone, clock.now())
        return null
      },
      owedBy: async ({ host }) => [...(await owedBy(db, host))],
      settled: async ({ id }) => {
        await settle(db, id)
        return null
      },
      syncPower: async ({ host, guests }) => {
        const seen = new Map(guests.map(({ serverId, powerState }) => [serverId, powerState]))
        await powerSwept(answers, host, seen)
        return overOn(host, [...seen.keys()])
      },
    },
    bus,
    CONDUCTOR,
  )
}
