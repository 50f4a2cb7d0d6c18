/** Extra specs that upstream knows, by name, and what their values may be. Names in other namespaces are an operator's own, and free. */
type Check = (value: string) => string | undefined

const matching =
  (pattern: RegExp): Check =>
  (value) =>
    pattern.test(value) ? undefined : `does not match '${pattern.source}'`
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value) ? undefined : `must be one of: ${values.join(', ')}`
const whole =
  (least: number, most = Number.MAX_SAFE_INTEGER): Check =>
  (value) => {
    if (!/^[+-]?\d{1,18}$/.test(value.trim())) return 'is not an integer'
    if (Number(value) < least) return `is less than the minimum of ${least}`
    return Number(value) > most ? `is greater than the maximum of ${most}` : undefined
  }
const boolean: Check = (value) =>
  /^(1|t|true|on|y|yes|0|f|false|off|n|no)$/i.test(value.trim()) ? undefined : 'is not a boolean'
const any: Check = () => undefined

const cpus = matching(/^\^?\d+(-\d+)?(,\^?\d+(-\d+)?)*$/)
const all = (names: readonly string[], check: Check) => Object.fromEntries(names.map((name) => [name, check]))
const sides = (name: string) => ['inbound', 'outbound'].map((side) => `quota:vif_${side}_${name}`)

const KNOWN: Readonly<Record<string, Check>> = {
  'accel:device_profile': any,
  hide_hypervisor_id: boolean,
  group_policy: oneOf('none', 'isolate'),
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
    ].map((name) => `hw:${name}`),
    boolean,
  ),
  'hw:mem_encryption_model': oneOf('amd-sev', 'amd-sev-es', 'amd-sev-snp'),
  'hw:numa_nodes': whole(1),
  'hw:mem_page_size': matching(/^(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)$/),
  'hw:pci_numa_affinity_policy': oneOf('required', 'preferred', 'legacy', 'socket'),
  'hw:pmem': any,
  'hw:serial_port_count': whole(0),
  'hw:tpm_model': oneOf('tpm-tis', 'tpm-crb'),
  'hw:tpm_version': oneOf('1.2', '2.0'),
  'hw:tpm_secret_security': oneOf('user', 'host', 'deployment'),
  'hw:watchdog_action': oneOf('none', 'pause', 'poweroff', 'reset', 'disabled'),
  'hw:maxphysaddr_mode': oneOf('passthrough', 'emulate'),
  'hw:maxphysaddr_bits': whole(0),
  'hw:viommu_model': oneOf('intel', 'smmuv3', 'virtio', 'auto'),
  'hw:sound_model': oneOf('sb16', 'es1370', 'pcspk', 'ac97', 'ich6', 'ich9', 'usb', 'virtio'),
  'hw:usb_model': any,
  'hw:redirected_usb_ports': whole(0, 15),
  'hw_rng:allowed': boolean,
  'hw_rng:rate_bytes': whole(0),
  'hw_rng:rate_period': whole(0),
  'hw_video:ram_max_mb': whole(0),
  'os:secure_boot': oneOf('disabled', 'required'),
  'pci_passthrough:alias': matching(/^[^,:]+:\d+(,[^,:]+:\d+)*$/),
  ...all(['quota:cpu_shares', 'quota:cpu_period', 'quota:cpu_quota'], whole(0)),
  ...all(['average', 'peak', 'burst'].flatMap(sides), whole(0)),
  ...all(
    ['read', 'write', 'total'].flatMap((side) =>
      ['bytes', 'iops'].flatMap((what) => ['', '_max'].map((most) => `quota:disk_${side}_${what}_sec${most}`)),
    ),
    whole(0),
  ),
}
/** Names with a part of their own. */
const FAMILIES: readonly (readonly [RegExp, Check])[] = [
  [/^hw:numa_cpus\.\d+$/, cpus],
  [/^hw:numa_mem\.\d+$/, whole(1)],
  [/^resources[a-zA-Z0-9_-]{0,64}:[A-Z0-9_]+$/, whole(0)],
  [/^trait[a-zA-Z0-9_-]{0,64}:[A-Z0-9_]+$/, oneOf('required', 'forbidden')],
  [/^(aggregate_instance_extra_specs|capabilities):.+$/, any],
  // What only VMware's driver reads.
  [/^vmware:.+$/, any],
  [/^quota:(cpu|memory|disk_io|vif)_(limit|reservation|shares_level|shares_share)$/, any],
]
const NAMESPACES =
  /^(accel|hw|hw_rng|hw_video|os|pci_passthrough|quota|resources[a-zA-Z0-9_-]{0,64}|trait[a-zA-Z0-9_-]{0,64})$/

/** Why upstream would refuse it, as its API says from 2.86 on; undefined when it would not. */
export function extraSpecProblem(name: string, value: string): string | undefined {
  const check = Object.hasOwn(KNOWN, name) ? KNOWN[name] : FAMILIES.find(([pattern]) => pattern.test(name))?.[1]
  if (check) {
    const why = check(value)
    return why === undefined ? undefined : `Validation failed; '${value}' for extra spec '${name}' ${why}.`
  }
  const [namespace = '', ...rest] = name.split(':')
  if (rest.length === 0 || !NAMESPACES.test(namespace)) return undefined
  return `Validation failed; extra spec '${name}' does not appear to be a valid extra spec.`
}
