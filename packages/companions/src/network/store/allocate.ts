/** Addresses for ports. Always inside the transaction that writes the port: the key of `ip_allocations` and the locked subnets make it exact. */
import {
  formatAddress,
  inside,
  eui64,
  keyOf,
  ofKey,
  parseAddress,
  parseCidr,
  textOfKey,
  type Cidr,
} from '../address.ts'
import type { Db } from '../context.ts'
import {
  addressInUse,
  addressNotOfSubnet,
  addressSelfMade,
  addressOutside,
  invalid,
  missing,
  noAddressLeft,
} from '../errors.ts'
import type { DatabaseKind } from '../../openstack/json-column.ts'

export interface Wanted {
  readonly subnet_id?: string | undefined
  readonly ip_address?: string | undefined
}

export interface Allocation {
  readonly subnet_id: string
  /** A key. */
  readonly address: string
}

export interface AllocatingSubnet {
  readonly id: string
  readonly cidr: string
  readonly ip_version: 4 | 6
  readonly gateway_ip: string | null
  readonly allocation_pools: string
  readonly ipv6_address_mode: string | null
  readonly ipv6_ra_mode: string | null
  readonly project_id: string
}

/** Where the search for a free address goes on, per subnet: an address given back is not handed out again at once. Only a hint. */
export type AddressCursors = Map<string, string>

const PROBE = 64
const MAX_CURSORS = 10_000

/** On PostgreSQL the rows are locked until the end of the transaction; on SQLite every transaction that writes is alone already. */
export const lockSubnets = (db: Db, kind: DatabaseKind, networkId: string): Promise<AllocatingSubnet[]> =>
  db
    .selectFrom('subnets')
    .select([
      'id',
      'project_id',
      'cidr',
      'ip_version',
      'gateway_ip',
      'allocation_pools',
      'ipv6_address_mode',
      'ipv6_ra_mode',
    ])
    .where('network_id', '=', networkId)
    .orderBy('id')
    .$if(kind === 'postgresql', (query) => query.forUpdate())
    .execute()

export interface Search {
  readonly db: Db
  readonly networkId: string
  readonly subnets: readonly AllocatingSubnet[]
  readonly cursors: AddressCursors
  readonly portId: string
  readonly mac: string
  /** May have a subnet's gateway address, when it asks for it. */
  readonly mayBeGateway: boolean
}

/** Writes the allocations. Without wishes: one address of each IP version the network has. Errors: 400, 404, 409. */
export async function allocate(search: Search, wishes: readonly Wanted[] | undefined): Promise<readonly Allocation[]> {
  const taken: Allocation[] = []
  for (const wish of wishes ?? []) taken.push(await allocateWish(search, wish))
  if (wishes === undefined)
    for (const version of [4, 6] as const) {
      const subnets = search.subnets.filter(({ ip_version: v }) => v === version)
      const own = subnets.filter(selfAddressed)
      for (const subnet of own) taken.push(await allocateWish(search, { subnet_id: subnet.id }))
      const pooled = subnets.filter((subnet) => !selfAddressed(subnet))
      if (pooled.length > 0) taken.push(await firstFree(search, pooled))
    }
  return taken
}

/** Addresses that stay are not let go; the others are given back before new ones are taken. `held` is what the port has. */
export async function reallocate(
  search: Search,
  held: readonly Allocation[],
  wishes: readonly Wanted[],
): Promise<void> {
  const kept = new Set<string>()
  const fresh = wishes.filter((wish) => {
    const same = held.find(
      (ip) =>
        !kept.has(ip.address) &&
        (wish.ip_address === undefined || textOfKey(ip.address) === canonical(wish.ip_address)) &&
        (wish.subnet_id === undefined || ip.subnet_id === wish.subnet_id),
    )
    if (same) kept.add(same.address)
    return !same
  })
  for (const ip of held.filter(({ address: key }) => !kept.has(key)))
    await search.db
      .deleteFrom('ip_allocations')
      .where('port_id', '=', search.portId)
      .where('subnet_id', '=', ip.subnet_id)
      .where('address', '=', ip.address)
      .execute()
  if (fresh.length > 0) await allocate(search, fresh)
}

const canonical = (text: string): string | undefined => {
  const address = parseAddress(text)
  return address && formatAddress(address)
}

/** The guest makes its own address from the prefix that is announced. */
export const selfAddressed = ({ ipv6_address_mode: mode, ipv6_ra_mode: announced }: AllocatingSubnet): boolean =>
  [mode, announced].some((each) => each === 'slaac' || each === 'dhcpv6-stateless')

async function allocateWish(search: Search, { subnet_id: subnetId, ip_address: text }: Wanted): Promise<Allocation> {
  const subnets = subnetId === undefined ? search.subnets : search.subnets.filter(({ id }) => id === subnetId)
  if (subnetId !== undefined && subnets.length === 0) throw missing('Subnet', subnetId)
  if (text === undefined) {
    const [subnet] = subnets
    if (!subnet || subnetId === undefined) throw invalid("fixed_ips needs 'ip_address' or 'subnet_id'")
    if (!selfAddressed(subnet)) return firstFree(search, [subnet])
    return take(search, subnet, eui64(cidrOf(subnet), search.mac).value)
  }
  const address = parseAddress(text)
  if (!address) throw invalid(`'${text}' is not a valid IP address`)
  const subnet = subnets.find((candidate) => inside(cidrOf(candidate), address))
  if (!subnet) throw subnetId === undefined ? addressOutside(text) : addressNotOfSubnet(text)
  const { first, last, prefix, version } = cidrOf(subnet)
  const edge = address.value === first || (version === 4 && address.value === last)
  if (edge && prefix < (version === 4 ? 31 : 127)) throw addressNotOfSubnet(text)
  const canonicalText = formatAddress(address)
  if (canonicalText === subnet.gateway_ip) {
    if (!search.mayBeGateway) throw addressInUse(search.networkId, canonicalText)
  } else if (selfAddressed(subnet) && address.value !== eui64(cidrOf(subnet), search.mac).value)
    throw addressSelfMade(text, subnet.id)
  return take(search, subnet, address.value)
}

const cidrOf = (subnet: AllocatingSubnet): Cidr => {
  const cidr = parseCidr(subnet.cidr)
  if (!cidr) throw new Error(`subnet ${subnet.id} has the CIDR ${subnet.cidr}`)
  return cidr
}

async function take({ db, networkId, portId }: Search, subnet: AllocatingSubnet, value: bigint): Promise<Allocation> {
  const address = keyOf(subnet.ip_version, value)
  const row = await db
    .insertInto('ip_allocations')
    .values({ subnet_id: subnet.id, address, port_id: portId })
    .onConflict((there) => there.doNothing())
    .returning('address')
    .executeTakeFirst()
  if (!row) throw addressInUse(networkId, formatAddress({ version: subnet.ip_version, value }))
  return { subnet_id: subnet.id, address }
}

async function firstFree(search: Search, subnets: readonly AllocatingSubnet[]): Promise<Allocation> {
  for (const subnet of subnets) {
    const address = await freeAddress(search, subnet)
    if (address === undefined) continue
    if (search.cursors.size >= MAX_CURSORS) search.cursors.clear()
    search.cursors.set(subnet.id, keyOf(subnet.ip_version, address + 1n))
    return take(search, subnet, address)
  }
  throw noAddressLeft(search.networkId)
}

/** The first free address of the pools from the cursor on, then from the start. */
async function freeAddress({ db, cursors }: Search, subnet: AllocatingSubnet): Promise<bigint | undefined> {
  const ranges = poolsOf(subnet)
  const cursor = cursors.get(subnet.id)
  const from = cursor === undefined ? 0n : ofKey(cursor).value
  const later = ranges.flatMap(({ first, last }) => (last < from ? [] : [{ first: first > from ? first : from, last }]))
  const earlier = ranges.flatMap(({ first, last }) =>
    first >= from ? [] : [{ first, last: last < from ? last : from - 1n }],
  )
  for (const { first, last } of [...later, ...earlier]) {
    const free = await freeWithin(db, subnet, first, last)
    if (free !== undefined) return free
  }
  return undefined
}

async function freeWithin(
  db: Db,
  { id, ip_version: version }: AllocatingSubnet,
  first: bigint,
  last: bigint,
): Promise<bigint | undefined> {
  let candidate = first
  while (candidate <= last) {
    const taken = await db
      .selectFrom('ip_allocations')
      .select('address')
      .where('subnet_id', '=', id)
      .where('address', '>=', keyOf(version, candidate))
      .where('address', '<=', keyOf(version, last))
      .orderBy('address')
      .limit(PROBE)
      .execute()
    for (const { address } of taken) {
      if (ofKey(address).value > candidate) return candidate
      candidate++
    }
    if (taken.length < PROBE) return candidate <= last ? candidate : undefined
  }
  return undefined
}

const poolsOf = ({ allocation_pools: pools }: AllocatingSubnet) =>
  (JSON.parse(pools) as { start: string; end: string }[]).flatMap(({ start, end }) => {
    const [first, last] = [parseAddress(start), parseAddress(end)]
    return first && last ? [{ first: first.value, last: last.value }] : []
  })

export const inPools = (subnet: AllocatingSubnet, value: bigint): boolean =>
  poolsOf(subnet).some(({ first, last }) => value >= first && value <= last)
