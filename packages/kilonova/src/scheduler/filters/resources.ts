/** `CoreFilter`, `RamFilter`, `DiskFilter`: what is free on the host is enough, and one guest is not larger than the host itself. */
import type { Resources } from '../../domain/flavor.ts'
import type { HostFilter } from '../host-state.ts'

const enough =
  (what: keyof Resources, unit: string): HostFilter =>
  ({ capacity, used, largest }, { resources }) => {
    const wanted = resources[what]
    const free = capacity[what] - used[what]
    if (wanted > largest[what]) return `has ${largest[what]} ${unit} in all, ${wanted} wanted`
    return wanted <= free ? undefined : `has ${Math.max(0, free)} ${unit} free, ${wanted} wanted`
  }

export const core = enough('vcpus', 'vCPU')
export const ram = enough('memoryMb', 'MB of memory')
export const disk = enough('diskGb', 'GB of disk')
