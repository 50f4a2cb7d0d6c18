/** What guests are made like, as `[libvirt]` says. Errors: ConfigError, where options contradict each other. */
import { ConfigError } from '@kilonova/base/config.ts'
import type { KilonovaConfig } from '../config/index.ts'
import type { GuestOptions } from '../virt/libvirt/domain/facts.ts'

/** `x86_64=q35`, `file=writeback`: of the one kind that there is here. */
const named = (entries: readonly string[], name: string): string | undefined =>
  entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1)

export function guestOptions({ libvirt }: KilonovaConfig): GuestOptions {
  if (libvirt.cpu_mode === 'custom' && libvirt.cpu_models.length === 0)
    throw new ConfigError('[libvirt] cpu_mode is custom: cpu_models must name a model')
  if (libvirt.cpu_mode !== 'custom' && libvirt.cpu_models.length > 0)
    throw new ConfigError('[libvirt] cpu_models is set: cpu_mode must be custom')
  return {
    cpuMode: libvirt.cpu_mode,
    cpuModels: libvirt.cpu_models,
    cpuModelExtraFlags: libvirt.cpu_model_extra_flags,
    machineType: named(libvirt.hw_machine_type, 'x86_64') ?? 'q35',
    diskCacheMode: named(libvirt.disk_cachemodes, 'file'),
    discard: libvirt.hw_disk_discard,
    pciePorts: libvirt.num_pcie_ports,
    rngDevice: libvirt.rng_dev_path,
    sysinfoSerial: libvirt.sysinfo_serial,
  }
}
