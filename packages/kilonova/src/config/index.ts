/** Every option there is, by section, under OpenStack's names where they exist. Read once at start; docs/configuration.md is made from it. */
import { loadConfig, type Config } from '@kilonova/base/config.ts'
import type { Limits } from '@kilonova/disk-image/finding.ts'
import { api } from './sections/api.ts'
import { console, consoleauth, serial_console, vnc } from './sections/consoles.ts'
import { DEFAULT } from './sections/default.ts'
import { guest_networks, libvirt } from './sections/host.ts'
import { compute, image_cache, image_companion } from './sections/images.ts'
import { oslo_policy, quota } from './sections/limits.ts'
import { database, glance, keystone_authtoken, neutron, vendordata_dynamic_auth } from './sections/neighbours.ts'
import { conductor, filter_scheduler } from './sections/tasks.ts'

export const SECTIONS = {
  DEFAULT,
  api,
  database,
  keystone_authtoken,
  glance,
  neutron,
  filter_scheduler,
  quota,
  conductor,
  libvirt,
  compute,
  image_cache,
  guest_networks,
  image_companion,
  vnc,
  serial_console,
  consoleauth,
  console,
  oslo_policy,
  vendordata_dynamic_auth,
}
export type KilonovaConfig = Config<typeof SECTIONS>
export type Overrides = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** `ini` is the text of a configuration file; overrides win. Errors: ConfigError that names section, option and place. */
export const readConfig = (ini = '', overrides: Overrides = {}, source?: string): KilonovaConfig =>
  loadConfig(SECTIONS, ini, overrides, source)

/** What a disk image may say of itself. */
export const imageLimits = ({ compute }: KilonovaConfig): Limits => ({
  maxVirtualBytes: compute.image_max_virtual_size_gb * 1024 ** 3,
  vmdkTypes: compute.vmdk_allowed_types,
})
