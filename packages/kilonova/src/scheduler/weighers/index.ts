/** The weighers under Nova's class names, with the option that multiplies each. Higher wins; the defaults spread servers out. */
import type { HostWeigher } from '../host-state.ts'

export interface WeigherEntry {
  readonly weigher: HostWeigher
  readonly multiplier: string
}

export const WEIGHERS: Readonly<Record<string, WeigherEntry>> = {
  RAMWeigher: {
    weigher: ({ capacity, used }) => capacity.memoryMb - used.memoryMb,
    multiplier: 'ram_weight_multiplier',
  },
  CPUWeigher: { weigher: ({ capacity, used }) => capacity.vcpus - used.vcpus, multiplier: 'cpu_weight_multiplier' },
  // The hosts that have most of the group, or fewest; other policies are none of their business.
  ServerGroupSoftAffinityWeigher: {
    weigher: ({ host }, { group }) => (group?.policy === 'soft-affinity' ? (group.servers[host] ?? 0) : 0),
    multiplier: 'soft_affinity_weight_multiplier',
  },
  ServerGroupSoftAntiAffinityWeigher: {
    weigher: ({ host }, { group }) => (group?.policy === 'soft-anti-affinity' ? -(group.servers[host] ?? 0) : 0),
    multiplier: 'soft_anti_affinity_weight_multiplier',
  },
  DiskWeigher: { weigher: ({ capacity, used }) => capacity.diskGb - used.diskGb, multiplier: 'disk_weight_multiplier' },
}
