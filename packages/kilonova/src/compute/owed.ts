/** Removals that were decided while this host could not be asked. They are done before it serves anything. */
import type { Log } from '@kilonova/base/log.ts'
import type { ConductorContract } from '../rpc/conductor.ts'
import type { Client } from '../rpc/contract.ts'
import type { Driver } from '../virt/driver.ts'
import { StaleEpochError, type Fencing } from './fencing.ts'

export interface OwedContext {
  readonly host: string
  readonly driver: Driver
  readonly fencing: Fencing
  readonly conductor: Client<ConductorContract>
  readonly log: Log
}

/** Does what is owed, in the order given. One that fails stays owed and is tried at the next pass; it holds up no other server. */
export async function settleOwed({ host, driver, fencing, conductor, log }: OwedContext): Promise<void> {
  const failed = new Set<string>()
  for (const { id, serverId, verb, epoch } of await conductor.owedBy({ host })) {
    // Later removals of the same server wait too: files go after the guest that uses them.
    if (failed.has(serverId)) continue
    try {
      // The id is the same each time this removal is owed; the epoch tells one time from the next.
      await fencing.run(verb, { serverId, epoch, key: `owed/${id}/${epoch}` }, () => driver[verb](serverId))
      await conductor.settled({ id })
      log.info('owed removal done', { server: serverId, verb })
    } catch (error) {
      if (error instanceof StaleEpochError) {
        // A later task has been here: what it made is not to be removed for an older one.
        await conductor.settled({ id })
        log.info('owed removal is out of date', { server: serverId, verb, epoch })
        continue
      }
      failed.add(serverId)
      log.warn('owed removal failed', { server: serverId, verb, error })
    }
  }
}
