/** A host for each of several alike servers: each is chosen as if those before it were there already. Pure, but for letting others run. */
import { setImmediate } from 'node:timers/promises'
import type { Resources } from '../domain/flavor.ts'
import type { HostState, RequestSpec, SchedulerOptions } from '../scheduler/host-state.ts'
import { explain, select, type Rejection } from '../scheduler/select.ts'
import type { Choice } from './claim.ts'
import { joined } from './group-state.ts'

export type Plan =
  | { readonly choices: readonly Choice[] }
  | { readonly choices?: never; readonly explanation: string; readonly rejections: readonly Rejection[] }

const AT_ONCE = 20

export const withOneMore = (host: HostState, taken: Resources): HostState => ({
  ...host,
  servers: host.servers + 1,
  used: {
    vcpus: host.used.vcpus + taken.vcpus,
    memoryMb: host.used.memoryMb + taken.memoryMb,
    diskGb: host.used.diskGb + taken.diskGb,
  },
})

export async function planTogether(
  snapshot: readonly HostState[],
  spec: RequestSpec,
  options: SchedulerOptions,
  seed: string,
  servers: readonly string[],
): Promise<Plan> {
  let hosts = snapshot
  let { group } = spec
  const choices: Choice[] = []
  for (const consumerId of servers) {
    if (choices.length % AT_ONCE === AT_ONCE - 1) await setImmediate()
    const {
      hosts: [best],
      rejections,
    } = select(hosts, { ...spec, ...(group ? { group } : {}) }, options, seed)
    if (!best) {
      const found = choices.length
      return {
        explanation: `${found} of ${servers.length} servers find room. ${explain(snapshot.length, rejections)}`,
        rejections,
      }
    }
    const original = snapshot.find(({ host }) => host === best.host) ?? best
    choices.push({ consumerId, host: original })
    hosts = hosts.map((host) => (host.host === best.host ? withOneMore(host, spec.resources) : host))
    group = joined(group, best.host)
  }
  return { choices }
}
