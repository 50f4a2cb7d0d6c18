/** A server group: servers whose hosts have to do with each other. A server joins one at its creation, and stays. */
export const GROUP_POLICIES = ['anti-affinity', 'affinity', 'soft-anti-affinity', 'soft-affinity'] as const
export type GroupPolicy = (typeof GROUP_POLICIES)[number]

export interface ServerGroup {
  readonly id: string
  readonly name: string
  readonly projectId: string
  readonly userId: string
  readonly policy: GroupPolicy
  /** How many of an anti-affinity group one host may have; null: nobody said, which is one. */
  readonly maxPerHost: number | null
}
