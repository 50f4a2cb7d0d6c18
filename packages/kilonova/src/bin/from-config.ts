/** What the daemons are given, read off the configuration. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Clock } from '@kilonova/base/clock.ts'
import { ConfigError } from '@kilonova/base/config.ts'
import type { Trust } from '@kilonova/base/http/client.ts'
import type { TlsLimits } from '@kilonova/base/http/server.ts'
import { certificateFiles, type CertificateFiles } from '@kilonova/base/http/tls.ts'
import type { KeystoneOptions } from '../clients/keystone.ts'
import type { ConductorOptions } from '../conductor/conductor.ts'
import type { ReclaimOptions } from '../conductor/reclaim.ts'
import type { KilonovaConfig } from '../config/index.ts'
import type { PolicyPlaces } from './policy-files.ts'
import type { CapacityOptions } from '../placement/host-states.ts'
import type { SchedulerOptions } from '../scheduler/host-state.ts'

export const keystoneOptions = ({ keystone_authtoken: auth }: KilonovaConfig, clock: Clock): KeystoneOptions => ({
  authUrl: auth.auth_url,
  username: auth.username,
  password: auth.password,
  projectName: auth.project_name,
  userDomainName: auth.user_domain_name,
  projectDomainName: auth.project_domain_name,
  regionName: auth.region_name,
  interface: auth.valid_interfaces,
  clock,
})

export const schedulerOptions = ({
  DEFAULT,
  filter_scheduler: { enabled_filters, image_properties_default_architecture, ...multipliers },
}: KilonovaConfig): SchedulerOptions & CapacityOptions => ({
  enabledFilters: enabled_filters,
  multipliers,
  defaultArchitecture: image_properties_default_architecture ?? null,
  cpuAllocationRatio: DEFAULT.cpu_allocation_ratio,
  ramAllocationRatio: DEFAULT.ram_allocation_ratio,
  diskAllocationRatio: DEFAULT.disk_allocation_ratio,
  reservedHostMemoryMb: DEFAULT.reserved_host_memory_mb,
  reservedHostDiskMb: DEFAULT.reserved_host_disk_mb,
  serviceDownMs: DEFAULT.service_down_time * 1000,
})

export const conductorOptions = ({ DEFAULT, conductor, image_cache }: KilonovaConfig): ConductorOptions => ({
  name: DEFAULT.host,
  leaseMs: conductor.lease_seconds * 1000,
  pollMs: Math.min(1000, (conductor.lease_seconds * 1000) / 3),
  maxRunning: conductor.max_running,
  serviceDownMs: DEFAULT.service_down_time * 1000,
  defaultZone: DEFAULT.default_availability_zone,
  imageCacheConcurrency: image_cache.precache_concurrency,
  shutdownTimeoutSeconds: DEFAULT.shutdown_timeout,
  softRebootTimeoutSeconds: DEFAULT.reboot_timeout,
  retryTries: 4,
  retryFirstDelayMs: 250,
  // Everything has settled ten seconds after what it waited for is back.
  maxBackOffMs: 7_000,
})

export const reclaimOptions = ({ DEFAULT }: KilonovaConfig): ReclaimOptions => ({
  reclaimAfterMs: DEFAULT.reclaim_instance_interval * 1000,
})

/** `folder` is where relative paths begin. */
export const policyFilesOf = ({ oslo_policy: section }: KilonovaConfig, folder: string): PolicyPlaces => ({
  file: resolve(folder, section.policy_file ?? 'policy.yaml'),
  required: section.policy_file !== undefined,
  dirs: section.policy_dirs.map((dir) => resolve(folder, dir)),
  newDefaults: section.enforce_new_defaults,
})

/** What our listeners show. Errors: ConfigError when one of the two is missing, or they are not a certificate and its key. */
export function tlsOf({ DEFAULT }: KilonovaConfig): CertificateFiles | undefined {
  const { ssl_cert_file: certFile, ssl_key_file: keyFile } = DEFAULT
  if (certFile === undefined && keyFile === undefined) return undefined
  if (certFile === undefined || keyFile === undefined)
    throw new ConfigError('[DEFAULT] ssl_cert_file and ssl_key_file are only of use together')
  try {
    return certificateFiles(certFile, keyFile)
  } catch (error) {
    throw new ConfigError(
      `[DEFAULT] ssl_cert_file ${certFile} with ssl_key_file ${keyFile} cannot be used: ${(error as Error).message}`,
      { cause: error },
    )
  }
}

const TLS_VERSIONS = { tlsv1_1: 'TLSv1.1', tlsv1_2: 'TLSv1.2', tlsv1_3: 'TLSv1.3' } as const

/** What console proxies speak of TLS. */
export const consoleTlsLimits = ({ console: section }: KilonovaConfig): TlsLimits => ({
  ...(section.ssl_minimum_version === 'default' ? {} : { minVersion: TLS_VERSIONS[section.ssl_minimum_version] }),
  ...(section.ssl_ciphers === undefined ? {} : { ciphers: section.ssl_ciphers }),
})

/** Whom our clients believe. Errors: ConfigError when the authorities cannot be read. */
export function trustOf(config: KilonovaConfig, own: CertificateFiles | undefined): Trust {
  const { cafile } = config.keystone_authtoken
  try {
    return {
      ...(own ? { own: own.current().cert } : {}),
      ...(cafile === undefined ? {} : { authorities: readFileSync(cafile) }),
    }
  } catch (error) {
    throw new ConfigError(`[keystone_authtoken] cafile ${cafile} cannot be read: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
