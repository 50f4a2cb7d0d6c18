/** Our identity client against the real Keystone of Debian, and against the companion: the same contract. */
import { after, before, describe, test } from 'node:test'
import { systemClock } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { startIdentity } from '@kilonova/companions/identity/server.ts'
import { CONTRACT, contractBed, type ContractBed, type Service } from './keystone-contract.ts'
import { privateKeystone } from './private-keystone.ts'

type Opened = Service & { close(): Promise<void> }

async function companion(): Promise<Opened> {
  const adminPassword = 'admin-secret'
  const identity = await startIdentity({
    host: '127.0.0.1',
    port: 0,
    databaseUrl: 'sqlite::memory:',
    log: silentLog,
    clock: systemClock(),
    region: 'RegionOne',
    tokenLifetimeSeconds: 3600,
  })
  await identity.bootstrap({
    projects: [{ name: 'admin' }],
    users: [{ name: 'admin', password: adminPassword }],
    assignments: [{ user: 'admin', project: 'admin', role: 'admin' }],
    services: [{ type: 'identity', name: 'keystone', url: `${identity.url}/v3` }],
  })
  return { url: identity.url, adminPassword, noticedMs: 1_000, close: identity.close }
}

const SERVICES: Readonly<Record<string, () => Promise<Opened>>> = {
  'the companion': companion,
  'the real Keystone': async () => ({ ...(await privateKeystone()), noticedMs: 5_000 }),
}

for (const [name, open] of Object.entries(SERVICES))
  describe(name, () => {
    let service: Opened | undefined
    let bed: ContractBed | undefined
    before(async () => {
      service = await open()
      bed = await contractBed(service)
    })
    after(async () => {
      await bed?.close()
      await service?.close()
    })
    for (const [sentence, show] of Object.entries(CONTRACT))
      test(sentence, async () => {
        if (!bed) throw new Error('there is no service to test')
        await show(bed)
      })
  })
