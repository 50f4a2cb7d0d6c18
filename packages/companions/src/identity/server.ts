/** The identity service: Keystone's v3 API over an embedded store. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { CertificateFiles } from '@kilonova/base/http/tls.ts'
import { migrate } from '@kilonova/base/database/migrate.ts'
import { openDatabase } from '@kilonova/base/database/open.ts'
import type { Log } from '@kilonova/base/log.ts'
import { keystoneBody } from '../openstack/fault.ts'
import { openstackService } from '../openstack/service.ts'
import { applicationCredentialRoutes } from './api/application-credentials.ts'
import { authRoutes } from './api/auth.ts'
import { domainRoutes } from './api/domains.ts'
import { endpointRoutes } from './api/endpoints.ts'
import { grantRoutes } from './api/grants.ts'
import { groupRoutes } from './api/groups.ts'
import { projectRoutes } from './api/projects.ts'
import { regionRoutes } from './api/regions.ts'
import { revocationRoutes } from './api/revocations.ts'
import { roleAssignmentRoutes } from './api/role-assignments.ts'
import { roleRoutes } from './api/roles.ts'
import { serviceRoutes } from './api/services.ts'
import { tokenRoutes } from './api/tokens.ts'
import { userRoutes } from './api/users.ts'
import { versionRoutes } from './api/versions.ts'
import { bootstrap, type Bootstrapped, type BootstrapPlan } from './bootstrap.ts'
import type { IdentityContext } from './context.ts'
import { loginLimit } from './login-limit.ts'
import { revocations } from './revocations.ts'
import { migrations, type IdentityTables } from './store/tables.ts'

export interface IdentityOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** With it the service speaks HTTPS. */
  readonly tls?: CertificateFiles
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

const ROUTES = [
  tokenRoutes,
  authRoutes,
  domainRoutes,
  projectRoutes,
  userRoutes,
  groupRoutes,
  roleRoutes,
  grantRoutes,
  roleAssignmentRoutes,
  serviceRoutes,
  endpointRoutes,
  regionRoutes,
  applicationCredentialRoutes,
  revocationRoutes,
]

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
      logins: loginLimit(options.clock),
      revocations: revocations(),
    }
    const service = openstackService({ ...options, log, faultBody: keystoneBody })
    versionRoutes(service.app)
    for (const routes of ROUTES) routes(service.app, ctx)
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
