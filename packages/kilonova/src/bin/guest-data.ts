/** What guests are told beside what the server's record says, and whose word on who asks counts: read off the configuration. */
import { readFileSync } from 'node:fs'
import { ConfigError } from '@kilonova/base/config.ts'
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { GuestData } from '../actions/define.ts'
import { keystone } from '../clients/keystone.ts'
import { vendorData, type VendorTarget } from '../clients/vendor-data.ts'
import type { KilonovaConfig } from '../config/index.ts'
import type { Proxies } from '../metadata/identify.ts'

/** Errors: ConfigError when the file or the certificates cannot be read, or two services have one name. */
export async function guestDataOf(
  { api, vendordata_dynamic_auth: auth }: KilonovaConfig,
  clock: Clock,
  log: Log,
): Promise<GuestData> {
  const certificates = api.vendordata_dynamic_ssl_certfile
  const data = vendorData({
    providers: api.vendordata_providers,
    file: api.vendordata_jsonfile_path,
    targets: targetsOf(api.vendordata_dynamic_targets),
    connectMs: api.vendordata_dynamic_connect_timeout * 1000,
    readMs: api.vendordata_dynamic_read_timeout * 1000,
    certificates:
      certificates === undefined
        ? undefined
        : readable('vendordata_dynamic_ssl_certfile', () => readFileSync(certificates, 'utf8')),
    fatal: api.vendordata_dynamic_failure_fatal,
    keystone: auth.auth_url === undefined ? undefined : keystone(identityOptions(auth, auth.auth_url, clock)),
    log,
  })
  // Read with each use, so that it may change; what is wrong from the start is said at the start.
  await data.fixed().catch((error: unknown) => fail('vendordata_jsonfile_path', error))
  return {
    vendorData: data,
    dhcpDomain: api.dhcp_domain,
    skippedVersions: api.config_drive_skip_versions.split(/\s+/),
  }
}

/** Errors: ConfigError when the network service's proxies are to be believed without a secret: then anybody could be one. */
export function proxiesOf({ neutron }: KilonovaConfig, ownSecret: string): Proxies {
  if (neutron.service_metadata_proxy && neutron.metadata_proxy_shared_secret === '')
    throw new ConfigError('[neutron] service_metadata_proxy: it needs metadata_proxy_shared_secret')
  return { ownSecret, foreignSecret: neutron.service_metadata_proxy ? neutron.metadata_proxy_shared_secret : undefined }
}

function targetsOf(texts: readonly string[]): readonly VendorTarget[] {
  const targets = texts.map((text) => ({
    name: text.slice(0, text.indexOf('@')),
    url: text.slice(text.indexOf('@') + 1),
  }))
  const twice = targets.find(({ name }, index) => targets.findIndex((other) => other.name === name) < index)
  if (twice) throw new ConfigError(`[api] vendordata_dynamic_targets: two are called ${twice.name}`)
  return targets
}

const identityOptions = (auth: KilonovaConfig['vendordata_dynamic_auth'], authUrl: string, clock: Clock) => ({
  authUrl,
  username: auth.username,
  password: auth.password,
  projectName: auth.project_name,
  userDomainName: auth.user_domain_name,
  projectDomainName: auth.project_domain_name,
  regionName: auth.region_name,
  interface: auth.valid_interfaces,
  clock,
})

function readable<T>(option: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    return fail(option, error)
  }
}
function fail(option: string, error: unknown): never {
  throw new ConfigError(`[api] ${option}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
}
