/** Where a server group's servers are, and whether one more may go to a host: what the filters say, said again at the claim. */
import type { Db } from '../db/database.ts'
import { findServerGroup, groupServersByHost } from '../db/server-groups.ts'
import { serverGroupAffinity, serverGroupAntiAffinity } from '../scheduler/filters/server-group.ts'
import type { GroupState, HostState } from '../scheduler/host-state.ts'

/** Undefined: there is no group, or not any more. `without`: servers that are looked for a place. */
export async function groupState(
  db: Db,
  groupId: string | null,
  without: readonly string[],
): Promise<GroupState | undefined> {
  const group = groupId === null ? undefined : await findServerGroup(db, groupId)
  if (!group) return undefined
  return {
    policy: group.policy,
    maxPerHost: group.maxPerHost ?? 1,
    servers: await groupServersByHost(db, group.id, without),
  }
}

export const groupAllows = (group: GroupState | undefined, host: HostState): boolean =>
  group === undefined ||
  [serverGroupAntiAffinity, serverGroupAffinity].every((filter) => filter(host, { group }) === undefined)
