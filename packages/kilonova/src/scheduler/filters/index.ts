/** The filters under Nova's class names, cheap first. `because` is what the user reads: `3 hosts <because>`. */
import type { HostFilter } from '../host-state.ts'
import { availabilityZone } from './availability-zone.ts'
import { compute } from './compute.ts'
import { hardware } from './hardware.ts'
import { imageProperties } from './image-properties.ts'
import { json } from './json.ts'
import { differentHost, sameHost, simpleCidrAffinity } from './neighbours.ts'
import { core, disk, ram } from './resources.ts'
import { serverGroupAffinity, serverGroupAntiAffinity } from './server-group.ts'

export interface FilterEntry {
  readonly filter: HostFilter
  /** Null: the reason itself is what the user reads. */
  readonly because: { readonly one: string; readonly many: string } | null
}

/** Asked of every host, whatever is enabled. */
export const ALWAYS: readonly string[] = ['HardwareFilter']

export const FILTERS: Readonly<Record<string, FilterEntry>> = {
  ComputeFilter: { filter: compute, because: { one: 'is down or disabled', many: 'are down or disabled' } },
  AvailabilityZoneFilter: {
    filter: availabilityZone,
    because: { one: 'is in another availability zone', many: 'are in another availability zone' },
  },
  CoreFilter: { filter: core, because: { one: 'has too few free vCPUs', many: 'have too few free vCPUs' } },
  RamFilter: { filter: ram, because: { one: 'has too little free memory', many: 'have too little free memory' } },
  DiskFilter: { filter: disk, because: { one: 'has too little free disk', many: 'have too little free disk' } },
  ImagePropertiesFilter: {
    filter: imageProperties,
    because: { one: 'cannot run the image', many: 'cannot run the image' },
  },
  HardwareFilter: { filter: hardware, because: null },
  ServerGroupAntiAffinityFilter: {
    filter: serverGroupAntiAffinity,
    because: { one: 'has servers of the same group already', many: 'have servers of the same group already' },
  },
  ServerGroupAffinityFilter: {
    filter: serverGroupAffinity,
    because: { one: 'is not where the group is', many: 'are not where the group is' },
  },
  SameHostFilter: {
    filter: sameHost,
    because: { one: 'has none of the servers to be with', many: 'have none of the servers to be with' },
  },
  DifferentHostFilter: {
    filter: differentHost,
    because: { one: 'has a server to be away from', many: 'have a server to be away from' },
  },
  SimpleCIDRAffinityFilter: {
    filter: simpleCidrAffinity,
    because: { one: 'is not near the address', many: 'are not near the address' },
  },
  JsonFilter: {
    filter: json,
    because: { one: 'is not what the query asks for', many: 'are not what the query asks for' },
  },
}
