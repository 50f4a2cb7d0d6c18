/** `PUT /v2.0/routers/{id}/add_router_interface` and `…/remove_router_interface`: a port of the router on a subnet, made here or by the user. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { mustWrite, privileged, type Caller } from '../../openstack/caller.ts'
import { parsed } from '../../openstack/body.ts'
import { withCaller } from '../../openstack/token-check.ts'
import { inside, ofKey, parseAddress, parseCidr } from '../address.ts'
import type { Db, NetworkContext } from '../context.ts'
import { badOf, interfaceInUse, interfaceMismatch, missing, noInterface, noInterfaceOn, portInUse } from '../errors.ts'
import { allocate, inPools, lockSubnets, type AllocatingSubnet } from '../store/allocate.ts'
import { findSubnet } from '../store/networks.ts'
import { findPort, lockPort } from '../store/ports.ts'
import { mustFit } from '../store/quotas.ts'
import {
  findRouter,
  INTERFACE_OWNER,
  lockRouter,
  routerPorts,
  routerSubnets,
  type Router,
  type RouterPort,
} from '../store/routers.ts'
import { makeServicePort, removeServicePort } from '../store/service-ports.ts'
import { text } from './fields.ts'
import { mustNotOverlap, type Block } from './router-gateway.ts'
import type { Route } from './router-routes.ts'

const body = z.object({ subnet_id: text.optional(), port_id: text.optional() })

interface Attached {
  readonly portId: string
  readonly projectId: string
  readonly networkId: string
  readonly subnetIds: readonly string[]
}

export function routerInterfaceRoutes(app: FastifyInstance, ctx: NetworkContext): void {
  const { kysely, kind } = ctx.database

  const answer = (router: Router, { portId, projectId, networkId, subnetIds }: Attached) => ({
    id: router.id,
    project_id: projectId,
    tenant_id: projectId,
    port_id: portId,
    network_id: networkId,
    subnet_id: subnetIds.at(-1),
    subnet_ids: subnetIds,
  })
  const change = (
    makesPort: (wanted: z.output<typeof body>) => boolean,
    work: (tx: Db, caller: Caller, router: Router, wanted: z.output<typeof body>) => Promise<Attached>,
  ) =>
    withCaller(ctx.check, async (caller: Caller, request: FastifyRequest) => {
      mustWrite(caller)
      const { id } = request.params as { id: string }
      const wanted = parsed(body, request.body ?? {}, 'HTTPBadRequest')
      if (wanted.port_id === undefined && wanted.subnet_id === undefined)
        throw badOf('router', 'Either subnet_id or port_id must be specified')
      const [router, attached] = await kysely.transaction().execute(async (tx) => {
        const found = await findRouter(tx, kind, caller, id)
        if (!found) throw missing('Router', id)
        if (makesPort(wanted)) await mustFit(tx, kind, found.project_id, 'port')
        await lockRouter(tx, id, ctx.clock.now())
        return [found, await work(tx, caller, found, wanted)] as const
      })
      ctx.changes.note('router', [id])
      return answer(router, attached)
    })

  app.put(
    '/v2.0/routers/:id/add_router_interface',
    change(
      ({ port_id: portId }) => portId === undefined,
      async (tx, caller, router, { port_id: portId, subnet_id: subnetId }) => {
        if (portId !== undefined && subnetId !== undefined)
          throw badOf('router', 'Cannot specify both subnet-id and port-id')
        return portId === undefined
          ? addSubnet(tx, ctx, caller, router, subnetId ?? '')
          : addPort(tx, ctx, caller, router, portId)
      },
    ),
  )
  app.put(
    '/v2.0/routers/:id/remove_router_interface',
    change(
      () => false,
      async (tx, caller, router, { port_id: portId, subnet_id: subnetId }) => {
        const ports = (await routerPorts(tx, router.id)).filter(({ kind: of }) => of === 'interface')
        if (portId !== undefined) {
          const own = ports.filter((port) => port.port_id === portId)
          if (own.length === 0) throw noInterface(router.id, portId)
          if (subnetId !== undefined && !own.some((port) => port.subnet_id === subnetId))
            throw interfaceMismatch(portId, subnetId)
          return remove(tx, router, own, own)
        }
        if (!(await findSubnet(tx, kind, caller, subnetId ?? ''))) throw missing('Subnet', subnetId ?? '')
        const here = ports.find((port) => port.subnet_id === subnetId)
        if (!here) throw noInterfaceOn(router.id, subnetId ?? '')
        return remove(
          tx,
          router,
          ports.filter((port) => port.port_id === here.port_id),
          [here],
        )
      },
    ),
  )
}

/** IPv6 guests that listen to somebody else's announcements would not hear of this router. */
function mustBeServed(subnet: AllocatingSubnet): void {
  if (subnet.ip_version === 6 && subnet.ipv6_address_mode !== null && subnet.ipv6_ra_mode === null)
    throw badOf('router', `IPv6 subnet ${subnet.id} gets its router advertisements from another router`)
}

async function addSubnet(
  tx: Db,
  ctx: NetworkContext,
  caller: Caller,
  router: Router,
  subnetId: string,
): Promise<Attached> {
  const { kind } = ctx.database
  const found = await findSubnet(tx, kind, caller, subnetId)
  const subnets = found ? await lockSubnets(tx, kind, found.network_id) : []
  const subnet = subnets.find(({ id }) => id === subnetId)
  if (!found || !subnet) throw missing('Subnet', subnetId)
  if (subnet.gateway_ip === null) throw badOf('router', 'Subnet for router interface must have a gateway IP')
  if (found.project_id !== caller.projectId && !privileged(caller))
    throw badOf('router', `Cannot add interface to router because subnet ${subnetId} belongs to another project`)
  mustBeServed(subnet)
  mustNotOverlap(await routerSubnets(tx, router.id), [subnet])
  const wish = { subnet_id: subnet.id, ip_address: subnet.gateway_ip }
  // One port announces all IPv6 prefixes of a network.
  const sibling =
    subnet.ip_version === 6
      ? (await routerPorts(tx, router.id)).find(
          (port) => port.kind === 'interface' && port.network_id === found.network_id && port.address?.length === 32,
        )
      : undefined
  if (sibling) {
    const search = {
      db: tx,
      networkId: found.network_id,
      subnets,
      cursors: ctx.cursors,
      portId: sibling.port_id,
      mac: sibling.mac_address,
      mayBeGateway: true,
    }
    await allocate(search, [wish])
    return {
      portId: sibling.port_id,
      projectId: router.project_id,
      networkId: found.network_id,
      subnetIds: [subnet.id],
    }
  }
  const port = await makeServicePort(tx, ctx, {
    projectId: router.project_id,
    networkId: found.network_id,
    deviceId: router.id,
    deviceOwner: INTERFACE_OWNER,
    wishes: [wish],
    mayBeGateway: true,
  })
  await tx.insertInto('router_ports').values({ port_id: port.id, router_id: router.id, kind: 'interface' }).execute()
  return { portId: port.id, projectId: router.project_id, networkId: found.network_id, subnetIds: [subnet.id] }
}

async function addPort(tx: Db, ctx: NetworkContext, caller: Caller, router: Router, portId: string): Promise<Attached> {
  const { kind } = ctx.database
  await lockPort(tx, kind, portId)
  const port = await findPort(tx, kind, caller, portId)
  if (!port) throw missing('Port', portId)
  if (port.device_id !== '' || port.host_id !== '') throw portInUse(port.id, port.network_id, port.device_id)
  const addresses = JSON.parse(port.fixed_ips) as readonly { subnet_id: string; address: string }[]
  const held = new Set(addresses.map(({ subnet_id: id }) => id))
  const subnets = (await lockSubnets(tx, kind, port.network_id)).filter(({ id }) => held.has(id))
  if (subnets.length === 0) throw badOf('router', 'Router port must have at least one fixed IP')
  subnets.forEach(mustBeServed)
  if (subnets.filter(({ ip_version: version }) => version === 4).length > 1)
    throw badOf('router', 'Cannot have multiple IPv4 subnets on router port')
  const others = await routerPorts(tx, router.id)
  const twin = others.find(({ network_id: id, address }) => id === port.network_id && address?.length === 32)
  if (twin && addresses.some(({ address }) => address.length === 32))
    throw badOf('router', `Router already has the IPv6 port ${twin.port_id} on network ${port.network_id}`)
  for (const { subnet_id: id, address } of addresses) {
    const subnet = subnets.find((candidate) => candidate.id === id)
    if (
      !privileged(caller) &&
      subnet &&
      subnet.project_id !== caller.projectId &&
      !inPools(subnet, ofKey(address).value)
    )
      throw badOf('router', `the address of port ${port.id} is outside the pools of subnet ${id} of another project`)
  }
  mustNotOverlap(await routerSubnets(tx, router.id), subnets)
  await tx
    .updateTable('ports')
    .set((eb) => ({ device_id: router.id, device_owner: INTERFACE_OWNER, revision: eb('revision', '+', 1) }))
    .where('id', '=', port.id)
    .execute()
  await tx.insertInto('router_ports').values({ port_id: port.id, router_id: router.id, kind: 'interface' }).execute()
  return {
    portId: port.id,
    projectId: port.project_id,
    networkId: port.network_id,
    subnetIds: subnets.map(({ id }) => id),
  }
}

/** Takes the addresses `going` from a port; with its last one the port goes. */
async function remove(
  tx: Db,
  router: Router,
  all: readonly RouterPort[],
  going: readonly RouterPort[],
): Promise<Attached> {
  const [first] = all
  if (!first) throw noInterface(router.id, '')
  const subnetIds = going.flatMap(({ subnet_id: id }) => id ?? [])
  if (subnetIds.length > 0) await mustNotBeNeeded(tx, router, subnetIds)
  const port = await tx.selectFrom('ports').select('project_id').where('id', '=', first.port_id).executeTakeFirst()
  if (going.length === all.length) await removeServicePort(tx, first.port_id)
  else
    await tx
      .deleteFrom('ip_allocations')
      .where('port_id', '=', first.port_id)
      .where('subnet_id', 'in', subnetIds)
      .execute()
  return { portId: first.port_id, projectId: port?.project_id ?? '', networkId: first.network_id, subnetIds }
}

/** Errors: 409 while a floating IP or a route goes over one of the subnets. */
async function mustNotBeNeeded(tx: Db, router: Router, subnetIds: readonly string[]): Promise<void> {
  const floating = await tx
    .selectFrom('floatingips')
    .innerJoin('ip_allocations', (join) =>
      join
        .onRef('ip_allocations.port_id', '=', 'floatingips.port_id')
        .onRef('ip_allocations.address', '=', 'floatingips.fixed_address'),
    )
    .select('ip_allocations.subnet_id')
    .where('floatingips.router_id', '=', router.id)
    .where('ip_allocations.subnet_id', 'in', subnetIds)
    .executeTakeFirst()
  if (floating) throw interfaceInUse(router.id, floating.subnet_id, 'FloatingIP')
  const blocks: readonly Block[] = await tx.selectFrom('subnets').select(['id', 'cidr']).where('id', 'in', subnetIds).execute() // prettier-ignore
  const { routes } = await tx
    .selectFrom('routers')
    .select('routes')
    .where('id', '=', router.id)
    .executeTakeFirstOrThrow()
  for (const { nexthop } of JSON.parse(routes) as readonly Route[]) {
    const hop = parseAddress(nexthop)
    const block = blocks.find(({ cidr }) => {
      const range = parseCidr(cidr)
      return hop && range && inside(range, hop)
    })
    if (block) throw interfaceInUse(router.id, block.id, 'Route')
  }
}
