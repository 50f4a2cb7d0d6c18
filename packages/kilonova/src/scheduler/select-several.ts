/** The best host for each of several alike servers, one after the other, as if those before it were there already. Says what `select` would say. */
import type { Resources } from '../domain/flavor.ts'
import type { GroupState, HostState, RequestSpec, SchedulerOptions } from './host-state.ts'
import { rejectionOf, tieOf, weigh, type Rejection } from './select.ts'

/** With one server more on the host. */
export const joined = (group: GroupState | undefined, host: string): GroupState | undefined =>
  group && { ...group, servers: { ...group.servers, [host]: (group.servers[host] ?? 0) + 1 } }

const withOneMore = (host: HostState, taken: Resources): HostState => ({
  ...host,
  servers: host.servers + 1,
  used: {
    vcpus: host.used.vcpus + taken.vcpus,
    memoryMb: host.used.memoryMb + taken.memoryMb,
    diskGb: host.used.diskGb + taken.diskGb,
  },
})

/** Yields hosts as they are in the snapshot; ends, with the reasons, when none is left. */
export function* selectSeveral(
  snapshot: readonly HostState[],
  request: RequestSpec,
  options: SchedulerOptions,
  seed: string,
): Generator<HostState, readonly Rejection[], void> {
  const ties = new Map(snapshot.map((host) => [host.host, tieOf(seed, host)]))
  const originals = new Map(snapshot.map((host) => [host.host, host]))
  let spec = request
  let rejections = new Map<string, Rejection>()
  const fitting = (hosts: readonly HostState[]): HostState[] =>
    hosts.filter((host) => {
      const rejection = rejectionOf(host, spec, options)
      if (rejection) rejections.set(host.host, rejection)
      return !rejection
    })
  let hosts = [...snapshot]
  let fit = fitting(hosts)
  for (;;) {
    const best = bestOf(fit, spec, options, ties)
    if (best === undefined) return snapshot.flatMap(({ host }) => rejections.get(host) ?? [])
    const chosen = fit[best]
    if (!chosen) return []
    yield originals.get(chosen.host) ?? chosen
    const after = withOneMore(chosen, spec.resources)
    const group = joined(spec.group, chosen.host)
    if (group === undefined) {
      // Nothing but this host has changed.
      fit.splice(best, 1, ...fitting([after]))
      continue
    }
    spec = { ...spec, group }
    hosts = hosts.map((host) => (host.host === after.host ? after : host))
    rejections = new Map()
    fit = fitting(hosts)
  }
}

/** The index of the host that is to be first. */
function bestOf(
  hosts: readonly HostState[],
  spec: RequestSpec,
  options: SchedulerOptions,
  ties: ReadonlyMap<string, number>,
): number | undefined {
  const weights = weigh(hosts, spec, options)
  let best: { readonly index: number; readonly weight: number; readonly tie: number } | undefined
  for (const [index, { host }] of hosts.entries()) {
    const weight = weights[index] ?? 0
    if (best !== undefined && weight < best.weight) continue
    const tie = ties.get(host) ?? 0
    if (best === undefined || weight > best.weight || tie < best.tie) best = { index, weight, tie }
  }
  return best?.index
}
