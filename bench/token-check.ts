/** What it costs the API to know a token it has just seen: our identity client, asked again and again, with the companion behind it. */
import { systemClock } from '@kilonova/base/clock.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { startIdentity } from '@kilonova/companions/identity/server.ts'
import { keystone } from '@kilonova/kilonova/clients/keystone.ts'
import { quantile } from './figures.ts'

const ROUNDS = 20_000

/** Milliseconds, the 99th percentile: none is left out for being slow. */
export async function cachedValidationMs(): Promise<number> {
  const password = 'only-for-the-bench'
  const clock = systemClock()
  const identity = await startIdentity({
    host: '127.0.0.1',
    port: 0,
    databaseUrl: 'sqlite::memory:',
    log: silentLog,
    clock,
    region: 'RegionOne',
    tokenLifetimeSeconds: 3600,
  })
  const client = keystone({
    authUrl: identity.url,
    username: 'nova',
    password,
    projectName: 'service',
    userDomainName: 'default',
    projectDomainName: 'default',
    regionName: undefined,
    interface: 'public',
    clock,
  })
  try {
    await identity.bootstrap({
      projects: [{ name: 'service' }],
      users: [{ name: 'nova', password }],
      assignments: [{ user: 'nova', project: 'service', role: 'service' }],
      services: [],
    })
    const token = await client.serviceToken()
    if (!(await client.validate(token))) throw new Error('our own token is not valid')
    const times: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const began = performance.now()
      await client.validate(token)
      times.push(performance.now() - began)
    }
    return quantile(times, 0.99)
  } finally {
    await client.close()
    await identity.close()
  }
}
