/** Tells the conductor what state the guests are in, which repairs what a lost event left wrong; and learns which are over. */
import type { Client } from '../../rpc/contract.ts'
import type { ConductorContract } from '../../rpc/conductor.ts'
import type { Driver } from '../../virt/driver.ts'
import type { PeriodicTask } from '@kilonova/base/run-periodic.ts'
import type { StaleGuests } from './stale-guests.ts'

export interface PowerSyncContext {
  readonly host: string
  readonly driver: Driver
  readonly conductor: Client<ConductorContract>
  readonly staleGuests: StaleGuests
}

export const powerSync = ({ host, driver, conductor, staleGuests }: PowerSyncContext, every: number): PeriodicTask => ({
  name: 'power-sync',
  every,
  run: async () => {
    const guests = await driver.guests()
    await staleGuests.swept(await conductor.syncPower({ host, guests: [...guests] }))
  },
})
