/** Floating IPs as rows, read with the port they lead to in one query. */
import { sql, type Selectable } from 'kysely'
import { privileged, type Caller } from '../../openstack/caller.ts'
import type { DatabaseKind } from '../../openstack/json-column.ts'
import { filtered, paged, type Columns } from '../../openstack/page.ts'
import { keyOf, parseAddress } from '../address.ts'
import type { Db } from '../context.ts'
import { invalid, missing } from '../errors.ts'
import type { List, Special, Specials } from '../list-query.ts'
import { portStatus } from './ports.ts'
import { tagsColumn } from './tags.ts'
import type { NetworkTables } from './tables.ts'

/** `tags` is JSON. */
export type FloatingIp = Selectable<NetworkTables['floatingips']> & {
  readonly port_name: string | null
  readonly port_network: string | null
  readonly port_mac: string | null
  readonly port_up: number | null
  readonly port_status: string | null
  readonly port_device: string | null
  readonly port_owner: string | null
  readonly tags: string
}

export const floatingIpColumns: Columns = {
  id: { ref: 'floatingips.id', kind: 'text' },
  description: { ref: 'floatingips.description', kind: 'text' },
  project_id: { ref: 'floatingips.project_id', kind: 'text' },
  tenant_id: { ref: 'floatingips.project_id', kind: 'text' },
  floating_network_id: { ref: 'floatingips.network_id', kind: 'text' },
  port_id: { ref: 'floatingips.port_id', kind: 'text' },
  router_id: { ref: 'floatingips.router_id', kind: 'text' },
  status: { ref: 'floatingips.status', kind: 'text' },
  floating_ip_address: { ref: 'floatingips.address', kind: 'text' },
  fixed_ip_address: { ref: 'floatingips.fixed_address', kind: 'text' },
  revision_number: { ref: 'floatingips.revision', kind: 'number' },
}

const addressFilter =
  (column: string): Special =>
  (values) => {
    const keys = values.map((value) => {
      const address = parseAddress(value)
      if (!address) throw invalid(`'${value}' is not a valid IP address`)
      return keyOf(address.version, address.value)
    })
    return sql`${sql.ref(column)} in (${sql.join(keys)})`
  }

export const floatingIpSpecials: Specials = {
  floating_ip_address: addressFilter('floatingips.address'),
  fixed_ip_address: addressFilter('floatingips.fixed_address'),
}

const selectFloatingIps = (db: Db, kind: DatabaseKind, caller: Caller) =>
  db
    .selectFrom('floatingips')
    .leftJoin('ports', 'ports.id', 'floatingips.port_id')
    .selectAll('floatingips')
    .select([
      'ports.name as port_name',
      'ports.network_id as port_network',
      'ports.mac_address as port_mac',
      'ports.admin_state_up as port_up',
      'ports.device_id as port_device',
      'ports.device_owner as port_owner',
      portStatus.as('port_status'),
      tagsColumn(kind, 'floatingips').as('tags'),
    ])
    .$if(!privileged(caller), (query) => query.where('floatingips.project_id', '=', caller.projectId))

export const findFloatingIp = (
  db: Db,
  kind: DatabaseKind,
  caller: Caller,
  id: string,
): Promise<FloatingIp | undefined> =>
  selectFloatingIps(db, kind, caller).where('floatingips.id', '=', id).executeTakeFirst()

export async function listFloatingIps(
  db: Db,
  kind: DatabaseKind,
  caller: Caller,
  list: List,
): Promise<readonly FloatingIp[]> {
  const marker = list.marker === undefined ? undefined : await findFloatingIp(db, kind, caller, list.marker)
  if (list.marker !== undefined && !marker) throw missing('FloatingIP', list.marker)
  let query = filtered(selectFloatingIps(db, kind, caller), floatingIpColumns, list.filters)
  for (const condition of list.conditions) query = query.where(condition)
  return paged(query, floatingIpColumns, list, marker && { ...marker }).execute()
}

/** Routers with an interface on the subnet and a gateway on the external network; the one that is the subnet's gateway first. */
export async function routerBetween(
  db: Db,
  { subnetId, networkId }: { readonly subnetId: string; readonly networkId: string },
): Promise<string | undefined> {
  const rows = await db
    .selectFrom('router_ports as inner')
    .innerJoin('ip_allocations as inside', 'inside.port_id', 'inner.port_id')
    .innerJoin('router_ports as outer', 'outer.router_id', 'inner.router_id')
    .innerJoin('ports as gateway', 'gateway.id', 'outer.port_id')
    .innerJoin('subnets', 'subnets.id', 'inside.subnet_id')
    .select(['inner.router_id', 'inside.address', 'subnets.gateway_ip'])
    .where('inner.kind', '=', 'interface')
    .where('inside.subnet_id', '=', subnetId)
    .where('outer.kind', '=', 'gateway')
    .where('gateway.network_id', '=', networkId)
    .orderBy('inner.router_id')
    .execute()
  const isGateway = ({ address, gateway_ip: text }: (typeof rows)[number]) => {
    const gateway = text === null ? undefined : parseAddress(text)
    return gateway !== undefined && keyOf(gateway.version, gateway.value) === address
  }
  return (rows.find(isGateway) ?? rows[0])?.router_id
}

/** A port that goes, or is told to, lets go of its floating IPs. Returns the routers that have to know. */
export async function disassociate(db: Db, portId: string, now: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('floatingips')
    .select('router_id')
    .where('port_id', '=', portId)
    .where('router_id', 'is not', null)
    .execute()
  if (rows.length === 0) return []
  await db
    .updateTable('floatingips')
    .set((eb) => ({
      port_id: null,
      fixed_address: null,
      router_id: null,
      updated_at: now,
      revision: eb('revision', '+', 1),
    })) // prettier-ignore
    .where('port_id', '=', portId)
    .execute()
  return rows.flatMap(({ router_id: id }) => id ?? [])
}
