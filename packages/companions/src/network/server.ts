/** The network service: Neutron's v2.0 API over an embedded store. It hands out addresses and keeps rules; hosts do the plugging. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { CertificateFiles } from '@kilonova/base/http/tls.ts'
import { migrate } from '@kilonova/base/database/migrate.ts'
import { openDatabase } from '@kilonova/base/database/open.ts'
import type { Log } from '@kilonova/base/log.ts'
import { openstackService } from '../openstack/service.ts'
import type { ServiceCredentials } from '../openstack/service-token.ts'
import { tokenCheck } from '../openstack/token-check.ts'
import { changeRoutes } from './api/changes.ts'
import { floatingIpRoutes } from './api/floating-ips.ts'
import { ipAvailabilityRoutes } from './api/ip-availability.ts'
import { networkRoutes } from './api/networks.ts'
import { portRoutes } from './api/ports.ts'
import { quotaRoutes } from './api/quotas.ts'
import { routerInterfaceRoutes } from './api/router-interfaces.ts'
import { routerRouteRoutes } from './api/router-routes.ts'
import { routerRoutes } from './api/routers.ts'
import { securityGroupRuleRoutes } from './api/security-group-rules.ts'
import { securityGroupRoutes } from './api/security-groups.ts'
import { subnetRoutes } from './api/subnets.ts'
import { tagRoutes } from './api/tags.ts'
import { versionRoutes } from './api/versions.ts'
import { changeFeed } from './changes.ts'
import type { NetworkContext } from './context.ts'
import { faultBody } from './errors.ts'
import type { DefaultRule } from './store/security-groups.ts'
import { setLimits, unlimited } from './store/quotas.ts'
import { migrations, type NetworkTables } from './store/tables.ts'

export interface NetworkOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** With it the service speaks HTTPS. */
  readonly tls?: CertificateFiles
  readonly databaseUrl: string
  readonly identityUrl: string
  readonly serviceCredentials: ServiceCredentials
  readonly log: Log
  readonly clock: Clock
  /** Of networks that are made without one. */
  readonly defaultMtu: number
  /** Projects without quotas from now on. */
  readonly unlimitedProjects?: readonly string[]
  /** What a project's default group lets through beside Neutron's own rules, for example ssh and ping. */
  readonly defaultGroupRules?: readonly DefaultRule[]
  ready?(): string | undefined
}

export interface NetworkService {
  /** `http://127.0.0.1:9696`; the API is under `/v2.0`. */
  readonly url: string
  close(): Promise<void>
}

/** Errors: PortTakenError. */
export async function startNetwork(options: NetworkOptions): Promise<NetworkService> {
  const log = options.log.in(import.meta)
  const { clock, identityUrl, serviceCredentials, defaultMtu, defaultGroupRules = [] } = options
  const database = openDatabase<NetworkTables>({ url: options.databaseUrl, synchronous: 'normal' })
  try {
    await migrate(database.kysely, migrations)
    for (const project of options.unlimitedProjects ?? []) await setLimits(database.kysely, project, unlimited())
    const check = tokenCheck({ identityUrl, serviceCredentials, clock, log })
    const ctx: NetworkContext = {
      database,
      check,
      log,
      clock,
      defaultMtu,
      defaultGroupRules,
      cursors: new Map(),
      changes: changeFeed(),
    }
    const service = openstackService({ ...options, log, faultBody })
    for (const routes of [
      networkRoutes,
      subnetRoutes,
      portRoutes,
      securityGroupRoutes,
      securityGroupRuleRoutes,
      routerRoutes,
      routerInterfaceRoutes,
      routerRouteRoutes,
      floatingIpRoutes,
      quotaRoutes,
      ipAvailabilityRoutes,
      tagRoutes,
      changeRoutes,
      versionRoutes,
    ])
      routes(service.app, ctx)
    const url = await service.listen()
    log.info('network service listens', { url })
    return {
      url,
      close: async () => {
        await service.close()
        await database.close()
      },
    }
  } catch (error) {
    await database.close()
    throw error
  }
}
