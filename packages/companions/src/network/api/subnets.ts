/** `/v2.0/subnets`. Blocks of one network do not overlap; the gateway is in no allocation pool. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { owns, type Caller } from '../../openstack/caller.ts'
import { formatAddress, formatCidr, inside, parseAddress, parseCidr, type Cidr } from '../address.ts'
import { projectFor, type NetworkContext } from '../context.ts'
import { changedMeanwhile, disallowed, gatewayInPool, invalid, missing, subnetInUse } from '../errors.ts'
import { parseList } from '../list-query.ts'
import { findNetwork, findSubnet, listSubnets, subnetColumns, type Subnet } from '../store/networks.ts'
import { mustFit } from '../store/quotas.ts'
import { addTags, removeTags } from '../store/tags.ts'
import { subnetView } from '../views.ts'
import { crudRoutes } from './crud.ts'
import { address, bodyOf, flag, project, tags, text } from './fields.ts'

const pools = z.array(z.strictObject({ start: address, end: address })).max(50)
type Pools = z.output<typeof pools>
const changeable = {
  name: text.optional(),
  description: text.optional(),
  enable_dhcp: flag.optional(),
  gateway_ip: address.nullish(),
  allocation_pools: pools.optional(),
  dns_nameservers: z.array(address).max(10).optional(),
  host_routes: z
    .array(z.strictObject({ destination: z.string().max(64), nexthop: address }))
    .max(50)
    .optional(),
  service_types: z.array(text).max(0).optional(),
  dns_publish_fixed_ip: z.literal(false).optional(),
}
const changes = z.strictObject(changeable)
const mode = z.enum(['slaac', 'dhcpv6-stateful', 'dhcpv6-stateless']).nullish()
const creation = z.strictObject({
  ...changeable,
  network_id: text,
  project_id: project,
  tenant_id: project,
  tags: tags.optional(),
  ip_version: z.coerce.number().pipe(z.union([z.literal(4), z.literal(6)])),
  cidr: z.string().max(64),
  ipv6_ra_mode: mode,
  ipv6_address_mode: mode,
  subnetpool_id: z.null().optional(),
  segment_id: z.null().optional(),
})

/** Canonical text of the gateway: the block's first address unless the caller says another one, or none by null. */
function gatewayOf(wanted: string | null | undefined, { version, first, prefix }: Cidr): string | null {
  if (wanted === null) return null
  if (wanted === undefined)
    return formatAddress({ version, value: prefix >= (version === 4 ? 31 : 127) ? first : first + 1n })
  const parsedAddress = parseAddress(wanted)
  if (!parsedAddress || parsedAddress.version !== version)
    throw invalid(`gateway_ip '${wanted}' is not of IP version ${version}`)
  return formatAddress(parsedAddress)
}

/** All of the block but its ends and the gateway. */
function defaultPools({ version, first, last, prefix }: Cidr, gateway: string | null): Pools {
  const whole = prefix >= (version === 4 ? 31 : 127)
  const [from, to] = whole ? [first, last] : [first + 1n, version === 4 ? last - 1n : last]
  const hole = gateway === null ? undefined : parseAddress(gateway)?.value
  const ranges =
    hole === undefined || hole < from || hole > to
      ? [[from, to] as const]
      : [[from, hole - 1n] as const, [hole + 1n, to] as const]
  return ranges
    .filter(([start, end]) => start <= end)
    .map(([start, end]) => ({
      start: formatAddress({ version, value: start }),
      end: formatAddress({ version, value: end }),
    }))
}

/** Canonical pools. Errors: 400 outside the block or overlapping, 409 over the gateway. */
function checkedPools(wanted: Pools, cidr: Cidr, gateway: string | null): Pools {
  const ranges = wanted.map(({ start, end }) => {
    const [first, last] = [parseAddress(start), parseAddress(end)]
    if (!first || !last || !inside(cidr, first) || !inside(cidr, last) || first.value > last.value)
      throw invalid(`the allocation pool ${start}-${end} spans beyond the subnet cidr ${formatCidr(cidr)}`)
    return { first: first.value, last: last.value, start: formatAddress(first), end: formatAddress(last) }
  })
  const hole = gateway === null ? undefined : parseAddress(gateway)?.value
  for (const [index, range] of ranges.entries()) {
    const other = ranges.slice(index + 1).find(({ first, last }) => first <= range.last && last >= range.first)
    if (other) throw invalid(`the allocation pools ${range.start}-${range.end} and ${other.start}-${other.end} overlap`)
    if (hole !== undefined && hole >= range.first && hole <= range.last)
      throw gatewayInPool(gateway ?? '', `${range.start}-${range.end}`)
  }
  return ranges.map(({ start, end }) => ({ start, end }))
}

export function subnetRoutes(app: FastifyInstance, ctx: NetworkContext): void {
  const { kysely, kind } = ctx.database

  const visible = async (caller: Caller, id: string): Promise<Subnet> => {
    const subnet = await findSubnet(kysely, kind, caller, id)
    if (!subnet) throw missing('Subnet', id)
    return subnet
  }
  const own = async (caller: Caller, id: string, verb: string): Promise<Subnet> => {
    const subnet = await visible(caller, id)
    if (!owns(caller, subnet.project_id)) throw disallowed(`${verb}_subnet`)
    return subnet
  }

  crudRoutes(app, ctx, {
    path: '/v2.0/subnets',
    one: 'subnet',
    many: 'subnets',
    parseList: (query) => parseList(query, 'subnets', subnetColumns),
    list: async (caller, list) => (await listSubnets(kysely, kind, caller, list)).map(subnetView),
    show: async (caller, id) => subnetView(await visible(caller, id)),

    create: async (caller, body) => {
      const wanted = bodyOf('subnet', creation, body)
      const cidr = parseCidr(wanted.cidr)
      if (!cidr || cidr.version !== wanted.ip_version)
        throw invalid(`'${wanted.cidr}' is not a valid IPv${wanted.ip_version} cidr`)
      if (wanted.ip_version === 4 && (wanted.ipv6_ra_mode || wanted.ipv6_address_mode))
        throw invalid('ipv6_ra_mode and ipv6_address_mode are for IPv6 subnets')
      if ((wanted.ipv6_address_mode ?? '').match(/^(slaac|dhcpv6-stateless)$/) && cidr.prefix !== 64)
        throw invalid('a subnet with self-made addresses must have the prefix length 64')
      const network = await findNetwork(kysely, kind, caller, wanted.network_id)
      if (!network) throw missing('Network', wanted.network_id)
      if (!owns(caller, network.project_id)) throw disallowed('create_subnet')
      const gateway = gatewayOf(wanted.gateway_ip, cidr)
      const allocation = wanted.allocation_pools
        ? checkedPools(wanted.allocation_pools, cidr, gateway)
        : defaultPools(cidr, gateway)
      const projectId = projectFor(caller, {
        ...wanted,
        project_id: wanted.project_id ?? wanted.tenant_id ?? network.project_id,
      })
      const now = ctx.clock.now()
      const id = randomUUID()
      await kysely.transaction().execute(async (tx) => {
        // Locks the network's row, so that two subnets cannot both find the block free.
        await tx.updateTable('networks').set({ updated_at: now }).where('id', '=', network.id).execute()
        await mustFit(tx, kind, projectId, 'subnet')
        const others = await tx.selectFrom('subnets').select('cidr').where('network_id', '=', network.id).execute()
        for (const other of others) {
          const block = parseCidr(other.cidr)
          if (block && block.version === cidr.version && block.first <= cidr.last && block.last >= cidr.first)
            throw invalid(
              `Requested subnet with cidr: ${formatCidr(cidr)} for network: ${network.id} overlaps with another subnet`,
            )
        }
        await tx
          .insertInto('subnets')
          .values({
            id,
            project_id: projectId,
            network_id: network.id,
            name: wanted.name ?? '',
            description: wanted.description ?? '',
            ip_version: wanted.ip_version,
            cidr: formatCidr(cidr),
            gateway_ip: gateway,
            enable_dhcp: Number(wanted.enable_dhcp ?? true),
            ipv6_ra_mode: wanted.ipv6_ra_mode ?? null,
            ipv6_address_mode: wanted.ipv6_address_mode ?? null,
            allocation_pools: JSON.stringify(allocation),
            dns_nameservers: JSON.stringify(wanted.dns_nameservers ?? []),
            host_routes: JSON.stringify(wanted.host_routes ?? []),
            created_at: now,
            updated_at: now,
            revision: 0,
          })
          .execute()
        await addTags(tx, id, wanted.tags ?? [])
      })
      ctx.changes.note('network', [network.id])
      return subnetView(await visible(caller, id))
    },

    update: async (caller, id, body, revision) => {
      const wanted = bodyOf('subnet', changes, body)
      const subnet = await own(caller, id, 'update')
      const cidr = parseCidr(subnet.cidr)
      if (!cidr) throw new Error(`subnet ${id} has the CIDR ${subnet.cidr}`)
      const gateway = wanted.gateway_ip === undefined ? subnet.gateway_ip : gatewayOf(wanted.gateway_ip, cidr)
      const current = JSON.parse(subnet.allocation_pools) as Pools
      const allocation = checkedPools(wanted.allocation_pools ?? current, cidr, gateway)
      const { numUpdatedRows } = await kysely
        .updateTable('subnets')
        .set((eb) => ({
          updated_at: ctx.clock.now(),
          revision: eb('revision', '+', 1),
          gateway_ip: gateway,
          allocation_pools: JSON.stringify(allocation),
          ...(wanted.name === undefined ? {} : { name: wanted.name }),
          ...(wanted.description === undefined ? {} : { description: wanted.description }),
          ...(wanted.enable_dhcp === undefined ? {} : { enable_dhcp: Number(wanted.enable_dhcp) }),
          ...(wanted.dns_nameservers === undefined ? {} : { dns_nameservers: JSON.stringify(wanted.dns_nameservers) }),
          ...(wanted.host_routes === undefined ? {} : { host_routes: JSON.stringify(wanted.host_routes) }),
        }))
        .where('id', '=', id)
        .$if(revision !== undefined, (query) => query.where('revision', '=', revision ?? 0))
        .executeTakeFirst()
      if (numUpdatedRows === 0n) throw revision === undefined ? missing('Subnet', id) : changedMeanwhile()
      ctx.changes.note('network', [subnet.network_id])
      return subnetView(await visible(caller, id))
    },

    remove: async (caller, id) => {
      const subnet = await own(caller, id, 'delete')
      await kysely.transaction().execute(async (tx) => {
        await tx.updateTable('subnets').set({ updated_at: ctx.clock.now() }).where('id', '=', id).execute()
        const used = await tx
          .selectFrom('ip_allocations')
          .select('port_id')
          .where('subnet_id', '=', id)
          .limit(1)
          .executeTakeFirst()
        if (used) throw subnetInUse(id)
        await tx.deleteFrom('subnets').where('id', '=', id).execute()
        await removeTags(tx, id)
      })
      ctx.cursors.delete(id)
      ctx.changes.note('network', [subnet.network_id])
    },
  })
}
