/** Our image client and relay against the real Glance of Debian, and against the companion: the same contract. Identity is the companion's. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { startIdentity } from '@kilonova/companions/identity/server.ts'
import { startImage } from '@kilonova/companions/image/server.ts'
import { CONTRACT, contractBed, PLAN, SERVICE_PASSWORD, type ContractBed, type Service } from './glance-contract.ts'
import { privateGlance } from './private-glance.ts'

type Opened = Service & { close(): Promise<void> }

const common = { host: '127.0.0.1', port: 0, databaseUrl: 'sqlite::memory:', log: silentLog, clock: systemClock() }

async function identityService() {
  const identity = await startIdentity({ ...common, region: 'RegionOne', tokenLifetimeSeconds: 3600 })
  const services = [{ type: 'identity', name: 'keystone', url: `${identity.url}/v3` }]
  await identity.bootstrap({ ...PLAN, services })
  return identity
}

async function companion(): Promise<Opened> {
  const identity = await identityService()
  const directory = mkdtempSync(join(tmpdir(), 'glance-companion-'))
  const image = await startImage({
    ...common,
    directory,
    identityUrl: identity.url,
    serviceCredentials: { username: 'glance', password: SERVICE_PASSWORD, projectName: 'service' },
  })
  return {
    url: image.url,
    identityUrl: identity.url,
    close: async () => {
      await image.close()
      await identity.close()
      rmSync(directory, { recursive: true })
    },
  }
}

async function real(): Promise<Opened> {
  const identity = await identityService()
  const glance = await privateGlance({
    url: identity.url,
    username: 'glance',
    password: SERVICE_PASSWORD,
  }).catch(async (error: unknown) => {
    await identity.close()
    throw error
  })
  return {
    url: glance.url,
    identityUrl: identity.url,
    forgetSha512: glance.forgetSha512,
    close: async () => {
      await glance.close()
      await identity.close()
    },
  }
}

for (const [name, open] of Object.entries({ 'the companion': companion, 'the real Glance': real }))
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
