/** A host for each of the servers of one request, or why there are not enough. It lets others run now and then: hosts and servers may be many. */
import { setImmediate } from 'node:timers/promises'
import type { HostState, RequestSpec, SchedulerOptions } from '../scheduler/host-state.ts'
import { selectSeveral } from '../scheduler/select-several.ts'
import { explain, type Rejection } from '../scheduler/select.ts'
import type { Choice } from './claim.ts'

export type Plan =
  | { readonly choices: readonly Choice[] }
  | { readonly choices?: never; readonly explanation: string; readonly rejections: readonly Rejection[] }

const AT_ONCE = 20

export async function planTogether(
  snapshot: readonly HostState[],
  spec: RequestSpec,
  options: SchedulerOptions,
  seed: string,
  servers: readonly string[],
): Promise<Plan> {
  const hosts = selectSeveral(snapshot, spec, options, seed)
  const choices: Choice[] = []
  for (const consumerId of servers) {
    if (choices.length % AT_ONCE === AT_ONCE - 1) await setImmediate()
    const next = hosts.next()
    if (next.done) {
      const why = explain(snapshot.length, next.value)
      const found = `${choices.length} of ${servers.length} servers find room.`
      return { explanation: `${found} ${why}`, rejections: next.value }
    }
    choices.push({ consumerId, host: next.value })
  }
  return { choices }
}
