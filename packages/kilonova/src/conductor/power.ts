/**
 * Power states follow what hosts see, in events and in sweeps. A server that has a task is left alone: its task gets the news as an event,
 * and what it does not act on is looked at when it has ended.
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
import { insertEvent, newestTags } from '../db/events.ts'
import { serversOn } from '../db/server-lookups.ts'
import { findServer, transition, type Move } from '../db/servers.ts'
import type { Tables } from '../db/tables.ts'
import type { Server } from '../domain/server.ts'
import { POWER_STATES, type PowerState } from '../domain/states.ts'

export interface PowerReach {
  readonly db: Kysely<Tables>
  readonly clock: Clock
  readonly log: Log
  /** Asks the host: what was seen may be old by now. */
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
async function converge({ db, clock, log }: PowerReach, server: Server, seen: PowerState): Promise<void> {
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

/** A host published a power change. `serverEvent` wakes the server's task. */
export async function powerChanged(
  reach: PowerReach & { serverEvent(serverId: string): void },
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

/**
 * A host has looked at its guests; one that is not in `seen` is not there. What a server with a task was seen in is no news for a step
 * that waits, since it may be older than the step; it is kept for the task's end, under a name of its own.
 */
export async function powerSwept(
  reach: PowerReach,
  host: string,
  seen: ReadonlyMap<string, PowerState>,
): Promise<void> {
  for (const server of await serversOn(reach.db, host)) {
    const powerState = seen.get(server.id) ?? 'nostate'
    if (server.taskId !== null) {
      await insertEvent(reach.db, server.id, 'power-swept', powerState, { powerState }, reach.clock.now())
      // The task may have ended just before.
      await powerAfterTask(reach, server.id)
    } else if (follow(server, powerState)) await converge(reach, server, await reach.ask(host, server.id))
  }
}

/** A task has ended: the guest may have gone meanwhile, without a step that noticed. */
export async function powerAfterTask(reach: PowerReach, serverId: string): Promise<void> {
  const server = await findServer(reach.db, serverId)
  if (!server || server.host === null || server.taskId !== null) return
  const tags = await newestTags(reach.db, serverId, ['power', 'power-swept'])
  const told = POWER_STATES.filter((state) => tags.includes(state))
  if (told.some((state) => follow(server, state))) await converge(reach, server, await reach.ask(server.host, serverId))
}
