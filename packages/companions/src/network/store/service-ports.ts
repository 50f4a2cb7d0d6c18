/** Ports that the service makes for itself: routers' interfaces and gateways, and what holds a floating address. They have no security groups. */
import { randomUUID } from 'node:crypto'
import type { Db, NetworkContext } from '../context.ts'
import { allocate, lockSubnets, type Allocation, type Wanted } from './allocate.ts'
import { insertPort } from './ports.ts'
import { removeTags } from './tags.ts'

export interface ServicePort {
  /** Empty: only admins see it, and it counts for nobody's quota. */
  readonly projectId: string
  readonly networkId: string
  readonly deviceId: string
  readonly deviceOwner: string
  /** Undefined: an address of each IP version the network has. */
  readonly wishes: readonly Wanted[] | undefined
  readonly mayBeGateway: boolean
  /** Addresses of this IP version alone. */
  readonly version?: 4
}

/** Errors: those of `allocate`. */
export async function makeServicePort(
  tx: Db,
  ctx: NetworkContext,
  { projectId, networkId, deviceId, deviceOwner, wishes, mayBeGateway, version }: ServicePort,
): Promise<{ readonly id: string; readonly addresses: readonly Allocation[] }> {
  const now = ctx.clock.now()
  const id = randomUUID()
  const row = {
    id,
    project_id: projectId,
    network_id: networkId,
    name: '',
    description: '',
    admin_state_up: 1,
    device_id: deviceId,
    device_owner: deviceOwner,
    host_id: '',
    vnic_type: 'normal',
    profile: '{}',
    port_security_enabled: 0,
    dns_name: '',
    extra_dhcp_opts: '[]',
    allowed_address_pairs: '[]',
    created_at: now,
    updated_at: now,
    revision: 1,
  }
  const mac = await insertPort(tx, row, undefined)
  const subnets = await lockSubnets(tx, ctx.database.kind, networkId)
  const search = {
    db: tx,
    networkId,
    subnets: subnets.filter(({ ip_version: own }) => version === undefined || own === version),
    cursors: ctx.cursors,
    portId: id,
    mac,
    mayBeGateway,
  }
  return { id, addresses: await allocate(search, wishes) }
}

export async function removeServicePort(tx: Db, id: string): Promise<void> {
  await tx.deleteFrom('ports').where('id', '=', id).execute()
  await removeTags(tx, id)
}
