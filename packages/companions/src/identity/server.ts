/** The identity service: Keystone's v3 API over an embedded store. */
import type { Clock } from '@kilonova/base/clock.ts'
import { migrate } from '@kilonova/base/database/migrate.ts'
import { openDatabase } from '@kilonova/base/database/open.ts'
import type { Log } from '@kilonova/base/log.ts'
import { keystoneBody } from '../openstack/fault.ts'
import { openstackService } from '../openstack/service.ts'
import { projectRoutes } from './api/projects.ts'
import { registryRoutes } from './api/registry.ts'
import { roleAssignmentRoutes } from './api/role-assignments.ts'
import { tokenRoutes } from './api/tokens.ts'
import { userRoutes } from './api/users.ts'
import { versionRoutes } from './api/versions.ts'
import { bootstrap, type Bootstrapped, type BootstrapPlan } from './bootstrap.ts'
import type { IdentityContext } from './context.ts'
import { migrations, type IdentityTables } from './store/tables.ts'

export interface IdentityOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** `sqlite:<file>`, `sqlite::memory:` or `postgresql://…`. */
  readonly databaseUrl: string
  readonly log: Log
  readonly clock: Clock
  readonly region: string
  readonly tokenLifetimeSeconds: number
  /** More that must hold before /healthz answers 200: a reason while it does not. */
  ready?(): string | undefined
}

export interface Identity {
  /** `http://127.0.0.1:5000`; the API is under `/v3`. */
  readonly url: string
  bootstrap(plan: BootstrapPlan): Promise<Bootstrapped>
  close(): Promise<void>
}

/** Errors: PortTakenError. */
export async function startIdentity(options: IdentityOptions): Promise<Identity> {
  const log = options.log.in(import.meta)
  const database = openDatabase<IdentityTables>({ url: options.databaseUrl, synchronous: 'normal' })
  try {
    await migrate(database.kysely, migrations)
    const ctx: IdentityContext = {
      database,
      log,
      clock: options.clock,
      tokenLifetimeMs: options.tokenLifetimeSeconds * 1000,
    }
    const service = openstackService({
      host: options.host,
      port: options.port,
      log,
      faultBody: keystoneBody,
      ...(options.ready ? { ready: options.ready } : {}),
    })
    versionRoutes(service.app)
    tokenRoutes(service.app, ctx)
    projectRoutes(service.app, ctx)
    userRoutes(service.app, ctx)
    registryRoutes(service.app, ctx)
    roleAssignmentRoutes(service.app, ctx)
    const url = await service.listen()
    log.info('identity service listens', { url })
    return {
      url,
      bootstrap: (plan) => bootstrap(ctx, options.region, plan),
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
