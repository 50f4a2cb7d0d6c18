/** What computes ask of the conductor, since they have no database: keep my report, what do I owe, whose guests are these. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Kysely } from 'kysely'
import { keepReport } from '../db/hosts.ts'
import { owedBy, settle } from '../db/owed.ts'
import { serversOn } from '../db/servers.ts'
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
        return servers.map((server) => ({ serverId: server.id, vmState: server.vmState, busy: server.taskId !== null }))
      },
    },
    bus,
    CONDUCTOR,
  )
}
