/** The filters under Nova's class names, cheap first. `because` is what the user reads: `3 hosts <because>`. */
import type { HostFilter } from '../host-state.ts'
import { availabilityZone } from './availability-zone.ts'
import { compute } from './compute.ts'
import { imageProperties } from './image-properties.ts'
import { core, disk, ram } from './resources.ts'

export interface FilterEntry {
  readonly filter: HostFilter
  readonly because: { readonly one: string; readonly many: string }
}

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
}
