/** Host states in memory: read from the rows, freshened every so often and whenever a claim shows that they were old. */
import type { Clock } from '@kilonova/base/clock.ts'
import { usedByHost, type Usage } from '../db/allocations.ts'
import type { Db } from '../db/database.ts'
import { allHosts, isUp } from '../db/hosts.ts'
import type { Resources } from '../domain/flavor.ts'
import { NO_HARDWARE, type Host } from '../domain/host.ts'
import type { HostState } from '../scheduler/host-state.ts'

export interface CapacityOptions {
  readonly cpuAllocationRatio: number
  readonly ramAllocationRatio: number
  readonly diskAllocationRatio: number
  readonly reservedHostMemoryMb: number
  readonly reservedHostDiskMb: number
  readonly serviceDownMs: number
}

export interface HostStates {
  snapshot(): Promise<readonly HostState[]>
  /** Adds what a claim took (or, negative, gave back) so that the next look sees it without reading. */
  count(host: string, resources: Resources, sign: 1 | -1): void
  /** The next snapshot is read from the rows. */
  expire(): void
}

const NOTHING: Usage[string] = { vcpus: 0, memoryMb: 0, diskGb: 0, servers: 0 }

export const capacityOf = (host: Host, options: CapacityOptions): Resources => ({
  vcpus: Math.floor(host.vcpus * options.cpuAllocationRatio),
  memoryMb: Math.floor((host.memoryMb - options.reservedHostMemoryMb) * options.ramAllocationRatio),
  diskGb: Math.floor((host.diskGb - options.reservedHostDiskMb / 1024) * options.diskAllocationRatio),
})

const taken = ({ servers, ...used }: Usage[string]) => ({ used, servers })

export function hostStates(db: Db, clock: Clock, options: CapacityOptions, maxAgeMs: number): HostStates {
  let readAt = -Infinity
  let hosts: readonly Host[] = []
  let used: Record<string, Usage[string]> = {}
  let reading: Promise<void> | undefined
  const read = async () => {
    const [all, usage] = [await allHosts(db), await usedByHost(db)]
    hosts = all
    used = Object.fromEntries(all.map(({ host }) => [host, usage[host] ?? NOTHING]))
    readAt = clock.now()
  }
  return {
    snapshot: async () => {
      const now = clock.now()
      if (now - readAt > maxAgeMs) await (reading ??= read().finally(() => (reading = undefined)))
      return hosts.map((host) => ({
        host: host.host,
        hypervisorHostname: host.hypervisorHostname,
        up: isUp(host, now, options.serviceDownMs),
        disabled: host.disabled,
        disabledReason: host.disabledReason,
        zone: host.availabilityZone,
        capacity: capacityOf(host, options),
        ...taken(used[host.host] ?? NOTHING),
        address: host.hostIp,
        hardware: host.hardware ?? NO_HARDWARE,
        largest: { vcpus: host.vcpus, memoryMb: host.memoryMb, diskGb: Math.floor(host.diskGb) },
        supportedInstances: host.supportedInstances,
      }))
    },
    count: (host, resources, sign) => {
      const before = used[host] ?? NOTHING
      used[host] = {
        vcpus: before.vcpus + sign * resources.vcpus,
        memoryMb: before.memoryMb + sign * resources.memoryMb,
        diskGb: before.diskGb + sign * resources.diskGb,
        servers: before.servers + sign,
      }
    },
    expire: () => (readAt = -Infinity),
  }
}
