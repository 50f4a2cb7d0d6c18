/** How many addresses of each subnet there are and are used: counted by the database, one query for all networks. */
import { sql } from 'kysely'
import { parseAddress, parseCidr } from '../address.ts'
import type { Db } from '../context.ts'

export interface SubnetAvailability {
  readonly network_id: string
  readonly network_name: string
  readonly project_id: string
  readonly id: string | null
  readonly name: string
  readonly cidr: string
  readonly ip_version: 4 | 6
  readonly used: number
  readonly total: bigint
}

export interface AvailabilityFilter {
  readonly networkIds?: readonly string[] | undefined
  readonly networkNames?: readonly string[] | undefined
  readonly projectIds?: readonly string[] | undefined
  readonly versions?: readonly number[] | undefined
}

/** A row per subnet, and one without id for a network that has none. */
export async function ipAvailability(
  db: Db,
  { networkIds, networkNames, projectIds, versions }: AvailabilityFilter,
): Promise<readonly SubnetAvailability[]> {
  const rows = await db
    .selectFrom('networks')
    .leftJoin('subnets', (join) => {
      const on = join.onRef('subnets.network_id', '=', 'networks.id')
      return versions ? on.on('subnets.ip_version', 'in', versions as (4 | 6)[]) : on
    })
    .select([
      'networks.id as network_id',
      'networks.name as network_name',
      'networks.project_id',
      'subnets.id',
      'subnets.name',
      'subnets.cidr',
      'subnets.ip_version',
      'subnets.allocation_pools',
      sql<number>`(select count(*) from ip_allocations where subnet_id = subnets.id)`.as('used'),
    ])
    .$if(networkIds !== undefined, (query) => query.where('networks.id', 'in', networkIds ?? []))
    .$if(networkNames !== undefined, (query) => query.where('networks.name', 'in', networkNames ?? []))
    .$if(projectIds !== undefined, (query) => query.where('networks.project_id', 'in', projectIds ?? []))
    .orderBy('networks.id')
    .orderBy('subnets.created_at')
    .execute()
  return rows.map(({ allocation_pools: pools, ...row }) => ({
    ...row,
    name: row.name ?? '',
    cidr: row.cidr ?? '',
    ip_version: row.ip_version ?? 4,
    used: Number(row.used),
    total: sizeOf(row.cidr ?? '', pools ?? '[]'),
  }))
}

/** Of its pools, or of the whole block where there are none. */
function sizeOf(cidr: string, pools: string): bigint {
  const ranges = (JSON.parse(pools) as { start: string; end: string }[]).flatMap(({ start, end }) => {
    const [first, last] = [parseAddress(start), parseAddress(end)]
    return first && last ? [last.value - first.value + 1n] : []
  })
  const block = parseCidr(cidr)
  if (ranges.length === 0) return block ? block.last - block.first + 1n : 0n
  return ranges.reduce((sum, size) => sum + size, 0n)
}
