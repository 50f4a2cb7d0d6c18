/** A router's way out: a port on an external network. Inside the transaction that holds the router's row. */
import { z } from 'zod'
import { privileged, type Caller } from '../../openstack/caller.ts'
import { parseAddress, parseCidr } from '../address.ts'
import type { Db, NetworkContext } from '../context.ts'
import { badOf, disallowed, gatewayInUse, missing } from '../errors.ts'
import { lockSubnets, reallocate } from '../store/allocate.ts'
import { findNetwork } from '../store/networks.ts'
import { GATEWAY_OWNER, routerPorts, routerSubnets, type RouterPort } from '../store/routers.ts'
import { makeServicePort, removeServicePort } from '../store/service-ports.ts'
import { address, flag, text } from './fields.ts'

export const gatewayInfo = z
  .strictObject({
    network_id: text,
    enable_snat: flag.optional(),
    external_fixed_ips: z
      .array(z.strictObject({ subnet_id: text.optional(), ip_address: address.optional() }))
      .max(20)
      .optional(),
  })
  .or(z.strictObject({}).transform(() => null))
  .nullish()
export type GatewayInfo = z.output<typeof gatewayInfo>

/** Only an admin chooses addresses outside, or sends out packets under the guests' own. */
export function mustMayLeave(caller: Caller, info: GatewayInfo, verb: string): void {
  if (!info || privileged(caller)) return
  if (info.enable_snat !== undefined) throw disallowed(`${verb}_router:external_gateway_info:enable_snat`)
  if (info.external_fixed_ips !== undefined) throw disallowed(`${verb}_router:external_gateway_info:external_fixed_ips`)
}

export interface Block {
  readonly id: string
  readonly cidr: string
}

/** Errors: 400 when a new block is, or overlaps, one that the router reaches already. */
export function mustNotOverlap(known: readonly Block[], added: readonly Block[]): void {
  for (const block of added)
    for (const other of known) {
      if (block.id === other.id) throw badOf('router', `Router already has a port on subnet ${block.id}`)
      const [a, b] = [parseCidr(block.cidr), parseCidr(other.cidr)]
      if (a && b && a.version === b.version && a.first <= b.last && b.first <= a.last)
        throw badOf(
          'router',
          `Cidr ${block.cidr} of subnet ${block.id} overlaps with cidr ${other.cidr} of subnet ${other.id}`,
        )
    }
}

/** Sets, changes or clears it. Errors: 400, 404, 409. */
export async function writeGateway(
  tx: Db,
  ctx: NetworkContext,
  caller: Caller,
  routerId: string,
  info: GatewayInfo,
): Promise<void> {
  const ports = (await routerPorts(tx, routerId)).filter(({ kind }) => kind === 'gateway')
  const [current] = ports
  if (!info) {
    if (current) await removeGateway(tx, routerId, current)
    return
  }
  const { kind } = ctx.database
  const network = await findNetwork(tx, kind, caller, info.network_id)
  if (!network) throw missing('Network', info.network_id)
  if (network.external !== 1) throw badOf('router', `Network ${network.id} is not an external network`)
  const subnets = await lockSubnets(tx, kind, network.id)
  for (const { ip_address: wish } of info.external_fixed_ips ?? []) {
    const wished = wish === undefined ? undefined : parseAddress(wish)?.value
    if (wished !== undefined && subnets.some(({ gateway_ip: own }) => own && parseAddress(own)?.value === wished))
      throw badOf('router', `External IP ${wish} is the same as the gateway IP`)
  }
  await tx
    .updateTable('routers')
    .set({ enable_snat: Number(info.enable_snat ?? true) })
    .where('id', '=', routerId)
    .execute()
  if (current?.network_id === network.id) {
    if (info.external_fixed_ips?.length)
      await reallocate(
        {
          db: tx,
          networkId: network.id,
          subnets,
          cursors: ctx.cursors,
          portId: current.port_id,
          mac: current.mac_address,
          mayBeGateway: false,
        },
        ports.flatMap(({ subnet_id: id, address: key }) => (id && key ? [{ subnet_id: id, address: key }] : [])),
        info.external_fixed_ips,
      )
    return
  }
  if (current) await removeGateway(tx, routerId, current)
  mustNotOverlap(await routerSubnets(tx, routerId), subnets)
  const port = await makeServicePort(tx, ctx, {
    projectId: '',
    networkId: network.id,
    deviceId: routerId,
    deviceOwner: GATEWAY_OWNER,
    wishes: info.external_fixed_ips?.length ? info.external_fixed_ips : undefined,
    mayBeGateway: false,
  })
  await tx.insertInto('router_ports').values({ port_id: port.id, router_id: routerId, kind: 'gateway' }).execute()
}

async function removeGateway(tx: Db, routerId: string, { port_id: portId, network_id: networkId }: RouterPort) {
  const floating = await tx
    .selectFrom('floatingips')
    .select('id')
    .where('router_id', '=', routerId)
    .limit(1)
    .executeTakeFirst()
  if (floating) throw gatewayInUse(routerId, networkId)
  await removeServicePort(tx, portId)
}
