/** The image service: Glance's v2 API over an embedded store and a folder. One process owns the folder. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { CertificateFiles } from '@kilonova/base/http/tls.ts'
import { migrate } from '@kilonova/base/database/migrate.ts'
import { openDatabase } from '@kilonova/base/database/open.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Limits } from '@kilonova/disk-image/finding.ts'
import type { FastifyInstance } from 'fastify'
import { openstackService } from '../openstack/service.ts'
import type { ServiceCredentials } from '../openstack/service-token.ts'
import { tokenCheck } from '../openstack/token-check.ts'
import { actionRoutes } from './api/actions.ts'
import { fileRoutes } from './api/file.ts'
import { imageRoutes } from './api/images.ts'
import { importRoutes } from './api/import.ts'
import { infoRoutes } from './api/info.ts'
import { memberRoutes } from './api/members.ts'
import { patchRoutes } from './api/patch.ts'
import { schemaRoutes } from './api/schemas.ts'
import { tagRoutes } from './api/tags.ts'
import { taskRoutes } from './api/tasks.ts'
import { versionRoutes } from './api/versions.ts'
import { openContent } from './content.ts'
import type { ImageContext } from './context.ts'
import { faultBody } from './errors.ts'
import { imports } from './imports.ts'
import { NO_QUOTA, type ImageQuota } from './quota.ts'
import { migrations, type ImageTables } from './store/tables.ts'
import { failRunningTasks } from './store/tasks.ts'
import { abandonAllUploads, allContents } from './store/uploads.ts'
import { NO_WEB_SOURCES, systemResolve, type Resolve, type WebSources } from './web-source.ts'

export interface ImageOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** With it the service speaks HTTPS. */
  readonly tls?: CertificateFiles
  /** Holds the bytes; made when missing. */
  readonly directory: string
  readonly databaseUrl: string
  readonly identityUrl: string
  readonly serviceCredentials: ServiceCredentials
  readonly log: Log
  readonly clock: Clock
  /** 1 TiB when absent. */
  readonly maxImageBytes?: number
  /** What an image may say of itself; Nova's and Glance's own limits when absent. */
  readonly limits?: Limits
  /** Of each project; unlimited when absent. */
  readonly quota?: ImageQuota
  /** What web-download may fetch from; nothing when absent. */
  readonly webSources?: WebSources
  /** How names become addresses; the system's way when absent. */
  readonly resolve?: Resolve
  ready?(): string | undefined
}

export interface ImageService {
  /** `http://127.0.0.1:9292`; the API is under `/v2`. */
  readonly url: string
  close(): Promise<void>
}

const DEFAULT_MAX_IMAGE_BYTES = 1024 ** 4
const BODY_MS = 60_000
const ROUTES = [
  fileRoutes,
  imageRoutes,
  patchRoutes,
  tagRoutes,
  memberRoutes,
  actionRoutes,
  taskRoutes,
  infoRoutes,
  schemaRoutes,
]

/** Errors: PortTakenError. */
export async function startImage(options: ImageOptions): Promise<ImageService> {
  const log = options.log.in(import.meta)
  const { clock, identityUrl, serviceCredentials } = options
  const database = openDatabase<ImageTables>({ url: options.databaseUrl, synchronous: 'normal' })
  try {
    await migrate(database.kysely, migrations)
    const content = await openContent(
      options.directory,
      options.maxImageBytes ?? DEFAULT_MAX_IMAGE_BYTES,
      options.limits,
    )
    await abandonAllUploads(database.kysely)
    await failRunningTasks(database.kysely, clock.now())
    await content.sweep(await allContents(database.kysely))
    const check = tokenCheck({ identityUrl, serviceCredentials, clock, log })
    const ctx: ImageContext = {
      database,
      content,
      check,
      log,
      clock,
      quota: options.quota ?? NO_QUOTA,
      webSources: options.webSources ?? NO_WEB_SOURCES,
      resolve: options.resolve ?? systemResolve,
      staged: new Map(),
    }
    const running = imports(ctx)
    const service = openstackService({ ...options, log, faultBody })
    letUploadsTakeTheirTime(service.app)
    for (const routes of ROUTES) routes(service.app, ctx)
    importRoutes(service.app, ctx, running)
    versionRoutes(service.app)
    const url = await service.listen()
    log.info('image service listens', { url })
    return {
      url,
      close: async () => {
        await service.close()
        await running.close()
        await database.close()
      },
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

/** The server's limit on a whole request would cut a long upload; every other body keeps that limit. */
function letUploadsTakeTheirTime(app: FastifyInstance): void {
  app.server.requestTimeout = 0
  app.addHook('preParsing', (request, reply, payload, done) => {
    if (!/\/(file|stage)$/.test(request.routeOptions.url ?? '')) {
      const timer = setTimeout(() => request.raw.destroy(), BODY_MS)
      const arrived = () => clearTimeout(timer)
      payload.once('end', arrived)
      // Of a body that never ends the payload does not always say so; the answer's side does.
      reply.raw.once('close', arrived)
    }
    done(null, payload)
  })
}
