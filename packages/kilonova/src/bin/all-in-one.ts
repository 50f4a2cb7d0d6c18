/** Every daemon in one process, over SQLite and the in-memory bus. Only this folder constructs things; each part takes what it needs. */
import { join } from 'node:path'
import type { Clock } from '@kilonova/base/clock.ts'
import type { CertificateFiles } from '@kilonova/base/http/tls.ts'
import type { RootLog } from '@kilonova/base/log.ts'
import { ACTIONS } from '../actions/index.ts'
import { startApi } from '../api/app.ts'
import { glance } from '../clients/glance.ts'
import { keystone } from '../clients/keystone.ts'
import { networkChanges } from '../clients/network-changes.ts'
import { neighbour } from '../clients/neighbour.ts'
import { neutronGuests } from '../clients/neutron-guests.ts'
import { neutron } from '../clients/neutron.ts'
import { fileFences, memoryFences } from '../compute/fence-store.ts'
import { startCompute } from '../compute/agent.ts'
import { startConductor } from '../conductor/conductor.ts'
import { startImageRelay } from '../conductor/image-relay.ts'
import { startReclaim } from '../conductor/reclaim.ts'
import { startNetworkWatch } from '../conductor/network-watch.ts'
import { startUsageAudit } from '../conductor/usage-audit.ts'
import type { KilonovaConfig } from '../config/index.ts'
import { openKilonovaDatabase } from '../db/database.ts'
import { guestPassword, setGuestPassword } from '../db/guest-passwords.ts'
import { setQuota } from '../db/quotas.ts'
import { findServer } from '../db/servers.ts'
import { readAuditPeriod } from '../domain/audit-period.ts'
import { startMetadata } from '../metadata/server.ts'
import { startScheduler } from '../placement/scheduler.ts'
import { policyOfFiles } from './policy-files.ts'
import { memoryBus } from '../rpc/memory/bus.ts'
import { killPoints } from '../task/kill-points.ts'
import type { Driver } from '../virt/driver.ts'
import { startConsoleProxies } from './console-proxies.ts'
import { guestDataOf, proxiesOf } from './guest-data.ts'
import { guestPortsOf } from './guest-ports.ts'
import { startPeriodic } from './periodic.ts'
import { startHeartbeat } from './heartbeat.ts'
import { conductorOptions, keystoneOptions, policyFilesOf, reclaimOptions, schedulerOptions } from './from-config.ts'

export interface AllInOne {
  readonly config: KilonovaConfig
  /** Where relative paths in it begin. */
  readonly folder: string
  /** The drivers of this process's hosts, by host name. */
  readonly drivers: ReadonlyMap<string, Driver>
  readonly metadataSecret: string
  /** With it every listener speaks HTTPS. */
  readonly tls?: CertificateFiles
  readonly log: RootLog
  readonly clock: Clock
  /** Ids of projects that get no quota limits; an operator may set some later. */
  readonly unlimitedProjects: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** What must hold before /healthz answers 200: a reason while it does not. */
  ready(): string | undefined
}

export interface Running {
  readonly urls: { readonly compute: string; readonly metadata: string }
  close(): Promise<void>
}

/** Starts in the order in which they need each other, stops in the reverse one. Errors: PortTakenError. */
export async function startAllInOne({
  config,
  folder,
  drivers,
  metadataSecret,
  tls,
  log,
  clock,
  unlimitedProjects,
  env,
  ready,
}: AllInOne): Promise<Running> {
  const { DEFAULT } = config
  const listens = tls ? { tls } : {}
  const closers: (() => Promise<void>)[] = []
  const opened = <T extends { close(): Promise<void> }>(part: T): T => {
    closers.push(() => part.close())
    return part
  }
  const close = async () => {
    for (const end of closers.toReversed()) await end()
  }
  try {
    const policy = policyOfFiles({ ...policyFilesOf(config, folder), clock, log: log.in(import.meta) })
    const file = join(DEFAULT.state_path, 'kilonova.sqlite')
    const url = config.database.connection ?? `sqlite:${file}`
    const database = opened(await openKilonovaDatabase({ url, synchronous: config.database.synchronous }))
    const db = database.kysely
    for (const project of unlimitedProjects)
      for (const resource of ['instances', 'cores', 'ram'] as const) await setQuota(db, project, resource, -1)
    const bus = opened(memoryBus())
    const identity = opened(keystone(keystoneOptions(config, clock)))
    const image = glance(identity, { endpoint: config.glance.endpoint_override, clock })
    const network = neutron(identity, { endpoint: config.neutron.endpoint_override, clock })
    const guests = neutronGuests(identity, { endpoint: config.neutron.endpoint_override })
    const guestData = await guestDataOf(config, clock, log)

    const api = opened(
      await startApi({
        host: DEFAULT.osapi_compute_listen,
        port: DEFAULT.osapi_compute_listen_port,
        db,
        bus,
        keystone: identity,
        glance: image,
        neutron: network,
        neighbours: {
          network: neighbour(identity, { type: 'network', endpoint: config.neutron.endpoint_override }),
          image: neighbour(identity, { type: 'image', endpoint: config.glance.endpoint_override }),
        },
        config,
        policy,
        clock,
        log,
        ready,
        ...(database.kind === 'sqlite' ? { readOnlyDatabaseFile: url.slice('sqlite:'.length) } : {}),
        ...listens,
      }),
    )
    const metadata = opened(
      await startMetadata({
        host: DEFAULT.metadata_listen,
        port: DEFAULT.metadata_listen_port,
        proxies: proxiesOf(config, metadataSecret),
        dhcpDomain: guestData.dhcpDomain,
        keptMs: config.api.metadata_cache_expiration * 1000,
        readServer: (id) => findServer(db, id),
        readPorts: (server) => guestPortsOf(network, bus, log, server),
        readPublicIp: async (server) => (await guests.publicIps(server.addresses.map(({ portId }) => portId)))[0] ?? '',
        readPortBehind: guests.portBehind,
        passwords: {
          read: (id) => guestPassword(db, id),
          setOnce: (id, password) => setGuestPassword(db, id, password),
        },
        vendorData: guestData.vendorData,
        ready,
        log,
        clock,
        ...listens,
      }),
    )
    const images = opened(
      await startImageRelay({
        host: DEFAULT.my_ip,
        port: 0,
        glance: image,
        clock,
        log: log.in(import.meta),
        ...listens,
      }),
    )
    opened(startScheduler({ db, bus, clock, log: log.in(import.meta), options: schedulerOptions(config) }))
    opened(
      await startConductor(
        {
          actions: ACTIONS,
          db,
          bus,
          neutron: network,
          glance: image,
          images,
          guestData,
          clock,
          log,
          kills: killPoints(env),
        },
        conductorOptions(config),
      ),
    )
    opened(startReclaim({ db, bus, clock, log: log.in(import.meta) }, reclaimOptions(config)))
    opened(startPeriodic({ db, bus, clock, log: log.in(import.meta) }, config))
    for (const binary of ['nova-conductor', 'nova-scheduler'] as const)
      opened(
        await startHeartbeat({
          db,
          binary,
          host: DEFAULT.host,
          everyMs: DEFAULT.report_interval * 1000,
          clock,
          log: log.in(import.meta),
        }),
      )
    const computes = [...drivers].map(([host, driver]) =>
      startCompute({
        host,
        driver,
        bus,
        log,
        clock,
        fences: driver.kind === 'fake' ? memoryFences() : fileFences(join(DEFAULT.state_path, 'fences.log'), clock),
        reportIntervalMs: DEFAULT.report_interval * 1000,
        syncPowerIntervalMs: DEFAULT.sync_power_state_interval * 1000,
        imageCacheIntervalMs: config.image_cache.manager_interval * 1000,
        unusedImageAgeSeconds: config.image_cache.remove_unused_original_minimum_age_seconds,
        consoleHost: DEFAULT.my_ip,
        staleGuests: {
          action: DEFAULT.running_deleted_instance_action,
          afterMs: DEFAULT.running_deleted_instance_timeout * 1000,
        },
        ...listens,
      }),
    )
    const auditPeriod = readAuditPeriod(DEFAULT.instance_usage_audit_period)
    if (DEFAULT.instance_usage_audit && auditPeriod) opened(startUsageAudit({ db, clock, log }, auditPeriod))
    const changes = networkChanges(identity, { endpoint: config.neutron.endpoint_override })
    opened(startNetworkWatch({ db, bus, changes, clock, log }, conductorOptions(config)))
    for (const compute of await Promise.all(computes)) opened(compute)
    opened(await startConsoleProxies({ config, db, bus, ready, clock, log, ...listens }))
    return { urls: { compute: api.url, metadata: metadata.url }, close }
  } catch (error) {
    await close()
    throw error
  }
}
