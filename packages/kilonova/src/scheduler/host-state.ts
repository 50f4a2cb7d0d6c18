/** What the scheduler looks at: an immutable snapshot of hosts and the request. Filters and weighers are pure functions of these. */
import type { Resources } from '../domain/flavor.ts'
import type { HostHardware } from '../domain/host.ts'

export interface HostState {
  readonly host: string
  readonly hypervisorHostname: string
  readonly up: boolean
  readonly disabled: boolean
  readonly disabledReason: string | null
  readonly zone: string
  /** Capacity after allocation ratios and reserves. */
  readonly capacity: Resources
  readonly used: Resources
  /** What one guest may have at most: the host's own vCPUs, memory and disk. */
  readonly largest: Resources
  readonly supportedInstances: readonly (readonly [string, string, string])[]
  readonly hardware: HostHardware
  /** The address that it reports of itself. */
  readonly address: string
  /** How many claim something of it. */
  readonly servers: number
}

/** A server group as a claim finds it. */
export interface GroupState {
  readonly policy: 'affinity' | 'anti-affinity' | 'soft-affinity' | 'soft-anti-affinity'
  readonly maxPerHost: number
  /** How many of its servers, other than those asked for, each host has; a host without any is missing. */
  readonly servers: Readonly<Record<string, number>>
}

export interface RequestSpec {
  readonly resources: Resources
  readonly zone: string | null
  /** A host or hypervisor by name, where an administrator named one: only it is looked at. */
  readonly onlyHost: string | null
  /** The named host (`az:host`) is asked for room and life alone, not by the other filters. */
  readonly forced: boolean
  readonly imageProperties: Readonly<Record<string, string>>
  readonly extraSpecs: Readonly<Record<string, string>>
  readonly group?: GroupState
  /** The hosts of the servers to be with, and to be away from. */
  readonly sameHosts?: readonly string[]
  readonly differentHosts?: readonly string[]
  readonly near?: { readonly address: string; readonly prefix: number }
  /** Of `JsonFilter`: parsed, otherwise as the user wrote it. */
  readonly query?: unknown
}

export interface SchedulerOptions {
  /** Class names in the order they run, cheap first. */
  readonly enabledFilters: readonly string[]
  readonly multipliers: Readonly<Record<string, number>>
  readonly defaultArchitecture: string | null
}

/** A verdict is undefined (fits) or the reason it does not, shown to the operator. */
export type Verdict = string | undefined
export type HostFilter = (host: HostState, spec: RequestSpec, options: SchedulerOptions) => Verdict
/** A raw value; it is normalised over the hosts and multiplied centrally. */
export type HostWeigher = (host: HostState, spec: RequestSpec) => number
