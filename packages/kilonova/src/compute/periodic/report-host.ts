/** Tells the conductor that this host lives and what it has. */
import type { Client } from '../../rpc/contract.ts'
import type { ConductorContract } from '../../rpc/conductor.ts'
import type { Driver } from '../../virt/driver.ts'
import type { PeriodicTask } from '@kilonova/base/run-periodic.ts'

export const reportHost = (driver: Driver, conductor: Client<ConductorContract>, every: number): PeriodicTask => ({
  name: 'report-host',
  every,
  run: async () => void (await conductor.reportHost({ report: await driver.report() })),
})
