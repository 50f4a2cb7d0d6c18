/** A compute host: what its agent reports, and what operators decide about it. */
import type { HostFeature } from './hardware/demands.ts'
import type { HugePages } from './hardware/memory-pages.ts'
import type { PowerState } from './states.ts'

/** What a host can give guests that ask for it. */
export interface HostHardware {
  readonly features: readonly HostFeature[]
  readonly hugePages: readonly HugePages[]
}
export const NO_HARDWARE: HostHardware = { features: [], hugePages: [] }

/** What a host has; allocation ratios and reserves are applied by placement, not here. */
export interface HostReport {
  readonly host: string
  readonly hypervisorHostname: string
  readonly hypervisorType: string
  /** As Nova's number: 7.2.0 is 7002000. */
  readonly hypervisorVersion: number
  readonly hostIp: string
  readonly vcpus: number
  readonly memoryMb: number
  readonly diskGb: number
  /** Free space of the file system that holds the instances, GB. */
  readonly diskFreeGb: number
  readonly cpuInfo: {
    readonly arch: string
    readonly model: string
    readonly vendor: string
    readonly features: readonly string[]
    readonly topology: Readonly<Record<string, number>>
  }
  /** Tuples of architecture, hypervisor type and mode that it can run, e.g. `['x86_64', 'kvm', 'hvm']`. */
  readonly supportedInstances: readonly (readonly [string, string, string])[]
  readonly runningServers: number
  readonly uptimeSeconds: number
  /** Absent: an older agent reported, which offers nothing of it. */
  readonly hardware?: HostHardware | undefined
}

/** A compute service with its host, as the scheduler and operators see it. */
export interface Host extends HostReport {
  /** The UUID of the hypervisor (and of the compute node). */
  readonly id: string
  /** The UUID of the service. */
  readonly serviceId: string
  /** The small number that microversions before 2.53 use. */
  readonly number: number
  readonly disabled: boolean
  readonly disabledReason: string | null
  readonly forcedDown: boolean
  readonly lastSeenAt: number
  readonly availabilityZone: string
}

export interface GuestState {
  readonly serverId: string
  readonly powerState: PowerState
}
