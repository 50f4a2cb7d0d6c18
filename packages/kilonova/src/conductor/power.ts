/**
 * Power states follow what hosts see. A server that has a task is left alone: its task gets the news as an event, and what it does not
 * act on is looked at when it has ended.
 *
 *     guest seen        server is         becomes
 *     off or gone       active, paused    stopped
 *     running           stopped           active
 *     anything else     one of these      only the power state is written
 *     whatever          anything else     as it is: a suspended one is off, and goes on from its memory
 */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Kysely } from 'kysely'
import { insertEvent, newestTag } from '../db/events.ts'
import { findServer, transition, type Move } from '../db/servers.ts'
import type { Tables } from '../db/tables.ts'
import type { Server } from '../domain/server.ts'
import { POWER_STATES, type PowerState } from '../domain/states.ts'

export interface PowerReach {
  readonly db: Kysely<Tables>
  readonly clock: Clock
  readonly log: Log
  /** Wakes the server's task. */
  serverEvent(serverId: string): void
  /** Asks the host: what was published may be old by now. */
  ask(host: string, serverId: string): Promise<PowerState>
}

const OFF: ReadonlySet<PowerState> = new Set(['shutdown', 'crashed', 'nostate'])

export function follow(server: Pick<Server, 'vmState' | 'powerState'>, seen: PowerState): Move | undefined {
  const powerState = seen === 'nostate' ? 'shutdown' : seen
  if (OFF.has(seen) && (server.vmState === 'active' || server.vmState === 'paused'))
    return { vmState: 'stopped', powerState }
  if (seen === 'running' && server.vmState === 'stopped') return { vmState: 'active', powerState }
  if (server.vmState !== 'active' && server.vmState !== 'stopped' && server.vmState !== 'paused') return undefined
  return powerState === server.powerState ? undefined : { powerState }
}

/** Writes what follows from what was seen; nothing when the server moved meanwhile. */
export async function converge(
  { db, clock, log }: Pick<PowerReach, 'db' | 'clock' | 'log'>,
  server: Server,
  seen: PowerState,
): Promise<void> {
  if (server.taskId !== null) return
  const move = follow(server, seen)
  if (!move || !(await transition(db, server, move, clock.now()))) return
  log.info('power state followed', {
    server: server.id,
    host: server.host,
    seen,
    vmState: move.vmState ?? server.vmState,
  })
}

/** A host published a power change. */
export async function powerChanged(
  reach: PowerReach,
  host: string,
  serverId: string,
  published: PowerState,
): Promise<void> {
  const server = await findServer(reach.db, serverId)
  if (!server || server.host !== host) return
  if (server.taskId !== null) {
    await insertEvent(reach.db, serverId, 'power', published, { powerState: published }, reach.clock.now())
    reach.serverEvent(serverId)
    // The task may have ended just before.
    return powerAfterTask(reach, serverId)
  }
  if (follow(server, published)) await converge(reach, server, await reach.ask(host, serverId))
}

/** A task has ended: the guest may have gone meanwhile, without a step that noticed. */
export async function powerAfterTask(reach: PowerReach, serverId: string): Promise<void> {
  const tag = await newestTag(reach.db, serverId, 'power')
  const told = POWER_STATES.find((state) => state === tag)
  const server = await findServer(reach.db, serverId)
  if (told === undefined || !server || server.host === null || server.taskId !== null) return
  if (follow(server, told)) await converge(reach, server, await reach.ask(server.host, serverId))
}
