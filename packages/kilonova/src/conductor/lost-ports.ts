/**
 * Ports that servers have and that were deleted or taken from them in the network service, by whomever: their interfaces are detached here, too.
 * What a task is under way for is looked at again when that is over: it may well be what removes the port.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '@kilonova/base/clock.ts'
import { newRequestId } from '@kilonova/base/context.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Kysely } from 'kysely'
import { admit } from '../actions/admit.ts'
import { loseInterface } from '../actions/detach-interface.ts'
import { showsPort } from '../actions/ports.ts'
import type { Port } from '../clients/neutron.ts'
import { shownAddresses } from '../db/server-addresses.ts'
import { findServer } from '../db/servers.ts'
import type { Tables } from '../db/tables.ts'
import { isNovaError } from '../domain/errors.ts'
import type { Bus } from '../rpc/bus.ts'

export interface LostPorts {
  /** All that are bound, or those that were asked for and are. `asked`: whose fate is told thereby; all: everything there is. */
  seen(ports: readonly Port[], asked: readonly string[] | 'all'): Promise<void>
}

export interface LostPortsReach {
  readonly db: Kysely<Tables>
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  /** As they are now, bound or not. */
  readonly ports: (ids: readonly string[]) => Promise<readonly Port[]>
  readonly signal: AbortSignal
}

const AGAIN_MS = 500

export function lostPorts({ db, bus, clock, log, ports: read, signal }: LostPortsReach): LostPorts {
  /** Whose each port was when it was last seen. */
  const owners = new Map<string, string>()

  /** False: it is to be looked at again. */
  async function lose(portId: string, serverId: string): Promise<boolean> {
    const server = await findServer(db, serverId)
    if (!server || !showsPort(server, portId)) return true
    if (server.taskId !== null) return false
    const [port] = await read([portId])
    if (port?.deviceId === serverId) return true
    const caller = { requestId: newRequestId(), userId: '', projectId: server.projectId, isAdmin: true }
    try {
      await admit({ db, bus, clock }, caller, loseInterface, serverId, { portId })
      log.info('the network service took a port from a server', { server: serverId, port: portId })
    } catch (error) {
      if (!isNovaError(error, 'InstanceInvalidState')) throw error
      // In another state it waits for the next time that everything is looked at.
      if ('attr' in error.detail && error.detail.attr === 'task_state') return false
      log.warn('an interface whose port is gone cannot be detached now', { server: serverId, port: portId, error })
    }
    // Several of one server are lost one after the other.
    return true
  }

  async function follow(portId: string, serverId: string): Promise<void> {
    while (!signal.aborted)
      try {
        if (await lose(portId, serverId)) return
        await delay(AGAIN_MS, undefined, { signal, ref: false })
      } catch (error) {
        // The next look at everything finds it.
        if (!signal.aborted) log.warn('a lost port is not followed', { server: serverId, port: portId, error })
        return
      }
  }

  const following = new Set<string>()
  function begin(portId: string, serverId: string): void {
    const key = `${portId}/${serverId}`
    if (following.has(key)) return
    following.add(key)
    void follow(portId, serverId).finally(() => following.delete(key))
  }

  return {
    seen: async (ports, asked) => {
      const present = new Map(ports.map(({ id, deviceId }) => [id, deviceId]))
      const lookAt = asked === 'all' ? [...owners.keys()] : asked
      /** Bound and gone before anybody saw it, or never a server's. */
      const unknown = new Set<string>()
      for (const id of lookAt) {
        const owner = owners.get(id)
        if (owner === undefined) unknown.add(id)
        if (owner === undefined || present.get(id) === owner) continue
        owners.delete(id)
        begin(id, owner)
      }
      for (const [id, owner] of present) {
        owners.set(id, owner)
        unknown.delete(id)
      }
      if (asked !== 'all' && unknown.size === 0) return
      for (const { id, addresses } of await shownAddresses(db, asked === 'all' ? undefined : [...unknown]))
        for (const portId of new Set(addresses.map((address) => address.portId)))
          if (asked === 'all' ? present.get(portId) !== id : unknown.has(portId)) begin(portId, id)
    },
  }
}
