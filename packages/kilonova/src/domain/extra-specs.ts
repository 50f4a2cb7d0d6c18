/** Extra specs that upstream knows, by name, and what their values may be. Names in other namespaces are an operator's own, and free. */
import { RESOURCE_CLASSES, TRAITS } from './standard-names.ts'

type Check = (value: string) => string | undefined

const matching =
  (pattern: RegExp): Check =>
  (value) =>
    new RegExp(`^(?:${pattern.source})$`).test(value) ? undefined : `is not of the format '${pattern.source}'`
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value) ? undefined : `is not one of: ${values.join(', ')}`
const whole =
  (least = -Infinity, most = Infinity): Check =>
  (value) => {
    if (!/^[+-]?\d+$/.test(value.trim())) return 'is not a valid integer value'
    if (Number(value) > most) return `is greater than the max value of '${most}'`
    return Number(value) < least ? `is less than the min value of '${least}'` : undefined
  }
const boolean: Check = (value) =>
  /^(1|t|true|on|y|yes|0|f|false|off|n|no)$/i.test(value.trim()) ? undefined : 'is not a valid boolean-like value'
const any: Check = () => undefined

const cpus = matching(/\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*/)
const all = (names: readonly string[], check: Check) => Object.fromEntries(names.map((name) => [name, check]))
const sides = (name: string) => ['inbound', 'outbound'].map((side) => `quota:vif_${side}_${name}`)

/** What the compute capabilities filter can look at, and what has parts of its own. */
const CAPABILITIES = `
  id uuid service_id host vcpus memory_mb local_gb vcpus_used memory_mb_used local_gb_used hypervisor_type hypervisor_version hypervisor_hostname
  free_ram_mb free_disk_gb current_workload running_vms disk_available_least host_ip mapped cpu_allocation_ratio ram_allocation_ratio
  disk_allocation_ratio total_usable_ram_mb total_usable_disk_gb disk_mb_used free_disk_mb vcpus_total num_instances num_io_ops failed_builds
  aggregates cell_uuid updated`
  .trim()
  .split(/\s+/)
const NESTED_CAPABILITIES = `
  cpu_info metrics stats numa_topology supported_hv_specs pci_device_pools nodename pci_stats supported_instances limits instances`
  .trim()
  .split(/\s+/)
const DEMAND = oneOf('required', 'forbidden')

const KNOWN: Readonly<Record<string, Check>> = {
  'accel:device_profile': any,
  hide_hypervisor_id: boolean,
  group_policy: oneOf('isolate', 'none'),
  'hw:cpu_policy': oneOf('dedicated', 'shared', 'mixed'),
  'hw:cpu_thread_policy': oneOf('prefer', 'isolate', 'require'),
  'hw:emulator_threads_policy': oneOf('isolate', 'share'),
  'hw:cpu_realtime_mask': cpus,
  'hw:cpu_dedicated_mask': cpus,
  ...all(
    ['cpu_sockets', 'cpu_cores', 'cpu_threads', 'cpu_max_sockets', 'cpu_max_cores', 'cpu_max_threads'].map(
      (name) => `hw:${name}`,
    ),
    whole(1),
  ),
  ...all(
    [
      'cpu_realtime',
      'hide_hypervisor_id',
      'boot_menu',
      'mem_encryption',
      'vif_multiqueue_enabled',
      'virtio_packed_ring',
      'locked_memory',
      'pmu',
      'ephemeral_encryption',
    ].map((name) => `hw:${name}`),
    boolean,
  ),
  'hw:mem_encryption_model': oneOf('amd-sev', 'amd-sev-es', 'amd-sev-snp'),
  'hw:numa_nodes': whole(1),
  'hw:mem_page_size': matching(/(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)/),
  'hw:pci_numa_affinity_policy': oneOf('required', 'preferred', 'legacy', 'socket'),
  'hw:pmem': matching(/([a-zA-Z0-9_]+(,)?)+/),
  'hw:serial_port_count': whole(0),
  'hw:tpm_model': oneOf('tpm-tis', 'tpm-crb'),
  'hw:tpm_version': oneOf('1.2', '2.0'),
  'hw:tpm_secret_security': oneOf('user', 'host', 'deployment'),
  'hw:watchdog_action': oneOf('none', 'pause', 'poweroff', 'reset', 'disabled'),
  'hw:maxphysaddr_mode': oneOf('passthrough', 'emulate'),
  'hw:maxphysaddr_bits': whole(0),
  'hw:viommu_model': oneOf('intel', 'smmuv3', 'virtio'),
  'hw:sound_model': oneOf('sb16', 'es1370', 'pcspk', 'ac97', 'ich6', 'ich9', 'usb', 'virtio'),
  'hw:usb_model': oneOf('none', 'nec-xhci', 'qemu-xhci'),
  'hw:ephemeral_encryption_format': oneOf('plain', 'luks', 'luksv2'),
  'hw:redirected_usb_ports': whole(0, 15),
  'hw_rng:allowed': boolean,
  'hw_rng:rate_bytes': whole(0),
  'hw_rng:rate_period': whole(0),
  'hw_video:ram_max_mb': whole(0),
  'os:secure_boot': oneOf('disabled', 'required'),
  'pci_passthrough:alias': matching(/[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*/),
  'vmware:hw_version': any,
  'vmware:storage_policy': any,
  ...all(['quota:cpu_shares', 'quota:cpu_period'], whole(0)),
  'quota:cpu_quota': whole(),
  ...Object.fromEntries(
    ['cpu', 'memory', 'disk_io', 'vif'].flatMap((name) => [
      [`quota:${name}_limit`, whole(0)],
      [`quota:${name}_reservation`, whole()],
      [`quota:${name}_shares_level`, oneOf('custom', 'high', 'normal', 'low')],
      [`quota:${name}_shares_share`, whole(0)],
    ]),
  ),
  ...all(['average', 'peak', 'burst'].flatMap(sides), whole(0)),
  ...all(
    ['read', 'write', 'total'].flatMap((side) => ['bytes', 'iops'].map((what) => `quota:disk_${side}_${what}_sec`)),
    whole(0),
  ),
  ...all(
    CAPABILITIES.map((name) => `capabilities:${name}`),
    any,
  ),
}
/** Names with a part of their own. */
const FAMILIES: readonly (readonly [RegExp, Check])[] = [
  [/^hw:numa_cpus\.\d+$/, cpus],
  [/^hw:numa_mem\.\d+$/, whole(1)],
  [/^resources([a-zA-Z0-9_-]{1,64})?:CUSTOM_[A-Z0-9_]+$/, whole()],
  [/^trait([a-zA-Z0-9_-]{1,64})?:CUSTOM_[A-Z0-9_]+$/, DEMAND],
  [/^aggregate_instance_extra_specs:.+$/, any],
  [new RegExp(`^capabilities:(${NESTED_CAPABILITIES.join('|')})(:\\w+)*$`), any],
]
const NAMESPACES =
  /^(accel|aggregate_instance_extra_specs|capabilities|vmware|hw|hw_rng|hw_video|os|pci_passthrough|quota|resources[a-zA-Z0-9_-]{0,64}|trait[a-zA-Z0-9_-]{0,64})$/

/** `resources2:VCPU`, `trait:HW_CPU_X86_AVX`: of the names that all agreed on. */
function standardCheck(name: string): Check | undefined {
  const [, kind, standard = ''] = /^(resources|trait)(?:[a-zA-Z0-9_-]{1,64})?:(\w+)$/.exec(name) ?? []
  if (kind === 'resources' && RESOURCE_CLASSES.has(standard)) return whole()
  return kind === 'trait' && TRAITS.has(standard) ? DEMAND : undefined
}
const checkOf = (name: string): Check | undefined =>
  Object.hasOwn(KNOWN, name)
    ? KNOWN[name]
    : (FAMILIES.find(([pattern]) => pattern.test(name))?.[1] ?? standardCheck(name))

/** Why upstream would refuse it, as its API says from 2.86 on; undefined when it would not. */
export function extraSpecProblem(name: string, value: string): string | undefined {
  const check = checkOf(name)
  if (check) {
    const why = check(value)
    return why === undefined ? undefined : `Validation failed; '${value}' ${why}.`
  }
  const [namespace = '', ...rest] = name.split(':')
  if (rest.length === 0 || !NAMESPACES.test(namespace)) return undefined
  return `Validation failed; extra spec '${name}' does not appear to be a valid extra spec.`
}
