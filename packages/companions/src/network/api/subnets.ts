/** `/v2.0/subnets`. Blocks of one network do not overlap; the gateway is in no allocation pool. */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { owns, type Caller } from '../../openstack/caller.ts'
import { formatCidr, keyOf, parseAddress, parseCidr } from '../address.ts'
import { projectFor, type Db, type NetworkContext } from '../context.ts'
import { changedMeanwhile, disallowed, gatewayIpInUse, invalid, missing, mtuTooSmall, subnetInUse } from '../errors.ts'
import { parseList } from '../list-query.ts'
import { addressSelfMade } from '../store/self-made.ts'
import { findNetwork, findSubnet, listSubnets, subnetColumns, type Subnet } from '../store/networks.ts'
import { mustFit } from '../store/quotas.ts'
import { addTags, removeTags } from '../store/tags.ts'
import { subnetView } from '../views.ts'
import { crudRoutes } from './crud.ts'
import { bodyOf } from './fields.ts'
import { mustMayTag } from './reserved-tags.ts'
import { subnetChanges, subnetCreation, type Ipv6Mode, type Pools } from './subnet-fields.ts'
import { blockOf, checkedPools, defaultPools, gatewayOf, hostRoutesOf, mustSuit, serversOf } from './subnet-rules.ts'

/** The smallest MTU that IPv6 works with. */
const IPV6_MTU = 1280

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
      const wanted = bodyOf('subnet', subnetCreation, body)
      mustMayTag(caller, wanted.tags)
      const { ip_version: version, enable_dhcp: dhcp = true } = wanted
      const cidr = blockOf(wanted.cidr, version, dhcp)
      mustSuit(cidr, dhcp, wanted.ipv6_ra_mode, wanted.ipv6_address_mode)
      const servers = serversOf(wanted.dns_nameservers ?? [], version)
      const routes = hostRoutesOf(wanted.host_routes ?? [], version)
      const network = await findNetwork(kysely, kind, caller, wanted.network_id)
      if (!network) throw missing('Network', wanted.network_id)
      if (!owns(caller, network.project_id)) throw disallowed('create_subnet')
      if (version === 6 && network.mtu < IPV6_MTU) throw mtuTooSmall(network.id, IPV6_MTU)
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
      const readdressed = await kysely.transaction().execute(async (tx) => {
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
            ip_version: version,
            cidr: formatCidr(cidr),
            gateway_ip: gateway,
            enable_dhcp: Number(dhcp),
            ipv6_ra_mode: wanted.ipv6_ra_mode ?? null,
            ipv6_address_mode: wanted.ipv6_address_mode ?? null,
            allocation_pools: JSON.stringify(allocation),
            dns_nameservers: servers,
            host_routes: routes,
            created_at: now,
            updated_at: now,
            revision: 0,
          })
          .execute()
        await addTags(tx, id, wanted.tags ?? [])
        return addressSelfMade(tx, ctx, network.id, id)
      })
      ctx.changes.note('network', [network.id])
      ctx.changes.note('port', readdressed.bound)
      ctx.changes.note('members', readdressed.groups)
      return subnetView(await visible(caller, id))
    },

    update: async (caller, id, body, revision) => {
      const wanted = bodyOf('subnet', subnetChanges, body)
      const subnet = await own(caller, id, 'update')
      const cidr = parseCidr(subnet.cidr)
      if (!cidr) throw new Error(`subnet ${id} has the CIDR ${subnet.cidr}`)
      const gateway = wanted.gateway_ip === undefined ? subnet.gateway_ip : gatewayOf(wanted.gateway_ip, cidr)
      const current = JSON.parse(subnet.allocation_pools) as Pools
      const allocation = checkedPools(wanted.allocation_pools ?? current, cidr, gateway)
      const dhcp = wanted.enable_dhcp ?? subnet.enable_dhcp === 1
      blockOf(subnet.cidr, subnet.ip_version, dhcp)
      mustSuit(cidr, dhcp, subnet.ipv6_ra_mode as Ipv6Mode, subnet.ipv6_address_mode as Ipv6Mode)
      const columns = {
        ...(wanted.dns_nameservers === undefined
          ? {}
          : { dns_nameservers: serversOf(wanted.dns_nameservers, subnet.ip_version) }),
        ...(wanted.host_routes === undefined
          ? {}
          : { host_routes: hostRoutesOf(wanted.host_routes, subnet.ip_version) }),
      }
      const numUpdatedRows = await kysely.transaction().execute(async (tx) => {
        const result = await tx
          .updateTable('subnets')
          .set((eb) => ({
            updated_at: ctx.clock.now(),
            revision: eb('revision', '+', 1),
            gateway_ip: gateway,
            allocation_pools: JSON.stringify(allocation),
            ...(wanted.name === undefined ? {} : { name: wanted.name }),
            ...(wanted.description === undefined ? {} : { description: wanted.description }),
            ...(wanted.enable_dhcp === undefined ? {} : { enable_dhcp: Number(wanted.enable_dhcp) }),
            ...columns,
          }))
          .where('id', '=', id)
          .$if(revision !== undefined, (query) => query.where('revision', '=', revision ?? 0))
          .executeTakeFirst()
        if (gateway !== subnet.gateway_ip) {
          await mustBeFree(tx, id, subnet.gateway_ip)
          await mustBeFree(tx, id, gateway)
        }
        return result.numUpdatedRows
      })
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

/** Errors: 409 for a gateway that a port has. */
async function mustBeFree(tx: Db, subnetId: string, gateway: string | null): Promise<void> {
  const address = gateway === null ? undefined : parseAddress(gateway)
  if (!address || gateway === null) return
  const holder = await tx
    .selectFrom('ip_allocations')
    .select('port_id')
    .where('subnet_id', '=', subnetId)
    .where('address', '=', keyOf(address.version, address.value))
    .executeTakeFirst()
  if (holder) throw gatewayIpInUse(gateway, holder.port_id)
}
