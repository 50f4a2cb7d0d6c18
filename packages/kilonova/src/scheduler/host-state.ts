/** What the scheduler looks at: an immutable snapshot of hosts and the request. Filters and weighers are pure functions of these. */
import type { Resources } from '../domain/flavor.ts'

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
}

export interface RequestSpec {
  readonly resources: Resources
  readonly zone: string | null
  /** `az:host` or `az::node` by an administrator; only these hosts are looked at. */
  readonly onlyHost: string | null
  readonly imageProperties: Readonly<Record<string, string>>
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
