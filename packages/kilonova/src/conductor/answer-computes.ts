/** What computes ask of the conductor, since they have no database: keep my report, what do I owe, whose guests are these. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Kysely } from 'kysely'
import { keepReport } from '../db/hosts.ts'
import { owedBy, settle } from '../db/owed.ts'
import { placesOf, serversOn } from '../db/server-lookups.ts'
import type { Tables } from '../db/tables.ts'
import type { Bus } from '../rpc/bus.ts'
import { conductor, CONDUCTOR } from '../rpc/conductor.ts'
import { serve } from '../rpc/contract.ts'
import { converge } from './power.ts'

export interface Answers {
  readonly db: Kysely<Tables>
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly defaultZone: string
}

export function answerComputes({ db, bus, clock, log, defaultZone }: Answers): () => Promise<void> {
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
        const servers = await serversOn(db, host)
        for (const server of servers) await converge({ db, clock, log }, server, seen.get(server.id) ?? 'nostate')
        return overOn(host, [...seen.keys()])
      },
    },
    bus,
    CONDUCTOR,
  )
}
