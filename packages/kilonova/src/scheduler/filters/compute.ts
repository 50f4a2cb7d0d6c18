/** `ComputeFilter`: the host's service is enabled and was heard of lately. */
import type { HostFilter } from '../host-state.ts'

export const compute: HostFilter = ({ up, disabled, disabledReason }) => {
  if (disabled) return `is disabled${disabledReason ? `: ${disabledReason}` : ''}`
  return up ? undefined : 'is down'
}
