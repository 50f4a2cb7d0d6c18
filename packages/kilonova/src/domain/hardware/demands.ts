/** What a guest needs a host to offer beside CPUs, memory and disk. A host says in its report what it has; none is taken for granted. */
import { cpuPolicy } from './cpu-policy.ts'
import { isUefi, secureBoot } from './firmware.ts'
import { both, either, isYes, type Wishes } from './wishes.ts'

const FEATURES = {
  dedicatedCpus: 'dedicated CPUs',
  realTimeCpus: 'real-time CPUs',
  numa: 'NUMA nodes for guests',
  cpuQuotas: 'CPU quotas',
  nicQuotas: 'quotas of network cards',
  uefi: 'UEFI',
  secureBoot: 'secure boot',
  statelessFirmware: 'stateless firmware',
  memoryEncryption: 'encrypted memory',
  diskEncryption: 'encrypted disks',
  persistentMemory: 'persistent memory',
  tpm: 'emulated TPMs',
  iommu: 'virtual IOMMUs',
  physicalAddressSize: 'other sizes of physical addresses',
  redirectedUsb: 'redirected USB ports',
  passthrough: 'PCI devices',
  accelerators: 'accelerators',
} as const
export type HostFeature = keyof typeof FEATURES
export const HOST_FEATURES = Object.keys(FEATURES) as HostFeature[]
export const featureName = (feature: HostFeature): string => FEATURES[feature]

const has = (wishes: Wishes, pattern: RegExp): boolean =>
  Object.keys(wishes.extraSpecs).some((name) => pattern.test(name))
const asks = (wishes: Wishes, key: string): boolean => isYes(either(wishes, key))
const says = (wishes: Wishes, key: string): boolean => either(wishes, key) !== undefined

const NEEDS: Readonly<Record<HostFeature, (wishes: Wishes) => boolean>> = {
  dedicatedCpus: (wishes) => ['dedicated', 'mixed'].includes(cpuPolicy(wishes) ?? ''),
  realTimeCpus: ({ extraSpecs }) => isYes(extraSpecs['hw:cpu_realtime']),
  numa: (wishes) => says(wishes, 'numa_nodes') || has(wishes, /^hw:numa_(cpus|mem)\./),
  cpuQuotas: (wishes) => has(wishes, /^quota:cpu_(shares|period|quota)$/),
  nicQuotas: (wishes) => has(wishes, /^quota:vif_(in|out)bound_/),
  uefi: isUefi,
  secureBoot: (wishes) => secureBoot(wishes) === 'required',
  statelessFirmware: ({ properties }) => isYes(properties['hw_firmware_stateless']),
  memoryEncryption: (wishes) => asks(wishes, 'mem_encryption'),
  diskEncryption: (wishes) => asks(wishes, 'ephemeral_encryption'),
  persistentMemory: (wishes) => both(wishes, 'pmem').flavor !== undefined,
  tpm: (wishes) => says(wishes, 'tpm_version') || says(wishes, 'tpm_model'),
  iommu: (wishes) => says(wishes, 'viommu_model'),
  physicalAddressSize: (wishes) => says(wishes, 'maxphysaddr_mode') || says(wishes, 'maxphysaddr_bits'),
  redirectedUsb: (wishes) => Number(either(wishes, 'redirected_usb_ports') ?? 0) > 0,
  passthrough: ({ extraSpecs }) => extraSpecs['pci_passthrough:alias'] !== undefined,
  accelerators: (wishes) =>
    wishes.extraSpecs['accel:device_profile'] !== undefined || has(wishes, /^resources\w*:(VGPU|PGPU|FPGA)$/),
}

export const demandsOf = (wishes: Wishes): readonly HostFeature[] =>
  (Object.keys(NEEDS) as HostFeature[]).filter((feature) => NEEDS[feature](wishes))
