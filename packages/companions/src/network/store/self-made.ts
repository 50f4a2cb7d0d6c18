/** When a subnet comes whose guests make their own addresses, the ports that are there already get theirs. */
import type { Db, NetworkContext } from '../context.ts'
import { allocate, lockSubnets, selfAddressed } from './allocate.ts'

/** Of the ports that have another address now: those that hosts know, and the groups of all. */
interface Readdressed {
  readonly bound: readonly string[]
  readonly groups: readonly string[]
}

export async function addressSelfMade(
  tx: Db,
  ctx: NetworkContext,
  networkId: string,
  subnetId: string,
): Promise<Readdressed> {
  const subnets = await lockSubnets(tx, ctx.database.kind, networkId)
  const subnet = subnets.find(({ id }) => id === subnetId)
  if (!subnet || !selfAddressed(subnet)) return { bound: [], groups: [] }
  const ports = await tx
    .selectFrom('ports')
    .select(['id', 'mac_address', 'host_id'])
    .where('network_id', '=', networkId)
    .where('device_owner', 'not like', 'network:router%')
    .where('device_owner', '!=', 'network:floatingip')
    .execute()
  for (const { id, mac_address: mac } of ports)
    await allocate({ db: tx, networkId, subnets, cursors: ctx.cursors, portId: id, mac, mayBeGateway: false }, [
      { subnet_id: subnetId },
    ])
  const groups = await tx
    .selectFrom('port_security_groups')
    .innerJoin('ports', 'ports.id', 'port_security_groups.port_id')
    .select('security_group_id')
    .distinct()
    .where('ports.network_id', '=', networkId)
    .execute()
  return {
    bound: ports.flatMap(({ id, host_id: host }) => (host === '' ? [] : [id])),
    groups: groups.map(({ security_group_id: id }) => id),
  }
}
