/** `AvailabilityZoneFilter`: the host is in the zone asked for. */
import type { HostFilter } from '../host-state.ts'

export const availabilityZone: HostFilter = ({ zone }, spec) =>
  spec.zone === null || spec.zone === zone ? undefined : `is in zone ${zone}, not ${spec.zone}`
