/** `ServerGroupAntiAffinityFilter`, `ServerGroupAffinityFilter`: where the group's other servers are. The claim says so again, exactly. */
import type { HostState, RequestSpec, Verdict } from '../host-state.ts'

type GroupFilter = (host: Pick<HostState, 'host'>, spec: Pick<RequestSpec, 'group'>) => Verdict

export const serverGroupAntiAffinity: GroupFilter = ({ host }, { group }) => {
  if (group?.policy !== 'anti-affinity') return undefined
  const here = group.servers[host] ?? 0
  return here < group.maxPerHost ? undefined : `has ${here} of the group's servers, ${group.maxPerHost} at most`
}

export const serverGroupAffinity: GroupFilter = ({ host }, { group }) => {
  if (group?.policy !== 'affinity') return undefined
  const hosts = Object.keys(group.servers)
  return hosts.length === 0 || hosts.includes(host) ? undefined : `does not have the group's servers`
}
