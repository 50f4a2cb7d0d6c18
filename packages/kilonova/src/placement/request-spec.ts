/** A request to place something, as filters and weighers see it: its group and its hints are looked up. */
import type { Db } from '../db/database.ts'
import { placesOf } from '../db/server-lookups.ts'
import type { PlaceRequest } from '../rpc/scheduler.ts'
import type { RequestSpec } from '../scheduler/host-state.ts'
import { groupState } from './group-state.ts'

const texts = (hint: unknown): readonly string[] =>
  (Array.isArray(hint) ? hint : [hint]).filter((each) => typeof each === 'string')

async function hostsOf(db: Db, servers: readonly string[]): Promise<readonly string[]> {
  return (await placesOf(db, servers)).flatMap(({ host, deleted }) => (host === null || deleted ? [] : [host]))
}

function parsed(query: unknown): unknown {
  if (typeof query !== 'string') return query
  try {
    return JSON.parse(query) as unknown
  } catch {
    return query
  }
}

/** `without`: the servers that are to be placed. */
export async function requestSpec(
  db: Db,
  { groupId, spec: { hints, ...spec } }: PlaceRequest,
  without: readonly string[],
): Promise<RequestSpec> {
  const group = await groupState(db, groupId, without)
  const { same_host: same, different_host: different, build_near_host_ip: near, cidr, query } = hints
  return {
    ...spec,
    ...(group ? { group } : {}),
    ...(same === undefined ? {} : { sameHosts: await hostsOf(db, texts(same)) }),
    ...(different === undefined ? {} : { differentHosts: await hostsOf(db, texts(different)) }),
    ...(typeof near === 'string' ? { near: { address: near, prefix: prefixOf(near, cidr) } } : {}),
    ...(query === undefined || query === '' ? {} : { query: parsed(query) }),
  }
}

/** `/24`, as users write it. */
function prefixOf(address: string, cidr: unknown): number {
  const most = address.includes(':') ? 128 : 32
  const asked = typeof cidr === 'string' ? Number(cidr.slice(1)) : 24
  return Number.isInteger(asked) && asked >= 0 ? Math.min(asked, most) : most
}
