/** Networks and subnets as rows: a project sees its own and those shared with all; an admin or a service sees everything. */
import { sql, type Selectable, type SqlBool } from 'kysely'
import { privileged, type Caller } from '../../openstack/caller.ts'
import { jsonArray, type DatabaseKind } from '../../openstack/json-column.ts'
import { filtered, paged, type Columns } from '../../openstack/page.ts'
import type { Db } from '../context.ts'
import { missing } from '../errors.ts'
import type { List } from '../list-query.ts'
import { tagsColumn } from './tags.ts'
import type { NetworkTables } from './tables.ts'

/** `subnet_ids` and `tags` are JSON. */
export type Network = Selectable<NetworkTables['networks']> & { readonly subnet_ids: string; readonly tags: string }
export type Subnet = Selectable<NetworkTables['subnets']> & { readonly tags: string }

export const networkColumns: Columns = {
  id: { ref: 'networks.id', kind: 'text' },
  name: { ref: 'networks.name', kind: 'text' },
  description: { ref: 'networks.description', kind: 'text' },
  project_id: { ref: 'networks.project_id', kind: 'text' },
  tenant_id: { ref: 'networks.project_id', kind: 'text' },
  admin_state_up: { ref: 'networks.admin_state_up', kind: 'boolean' },
  shared: { ref: 'networks.shared', kind: 'boolean' },
  'router:external': { ref: 'networks.external', kind: 'boolean' },
  port_security_enabled: { ref: 'networks.port_security_enabled', kind: 'boolean' },
  mtu: { ref: 'networks.mtu', kind: 'number' },
  'provider:network_type': { ref: 'networks.provider_type', kind: 'text' },
  'provider:physical_network': { ref: 'networks.provider_physical', kind: 'text' },
  'provider:segmentation_id': { ref: 'networks.provider_segment', kind: 'number' },
  revision_number: { ref: 'networks.revision', kind: 'number' },
}

export const subnetColumns: Columns = {
  id: { ref: 'subnets.id', kind: 'text' },
  name: { ref: 'subnets.name', kind: 'text' },
  description: { ref: 'subnets.description', kind: 'text' },
  project_id: { ref: 'subnets.project_id', kind: 'text' },
  tenant_id: { ref: 'subnets.project_id', kind: 'text' },
  network_id: { ref: 'subnets.network_id', kind: 'text' },
  ip_version: { ref: 'subnets.ip_version', kind: 'number' },
  cidr: { ref: 'subnets.cidr', kind: 'text' },
  gateway_ip: { ref: 'subnets.gateway_ip', kind: 'text' },
  enable_dhcp: { ref: 'subnets.enable_dhcp', kind: 'boolean' },
  ipv6_ra_mode: { ref: 'subnets.ipv6_ra_mode', kind: 'text' },
  ipv6_address_mode: { ref: 'subnets.ipv6_address_mode', kind: 'text' },
  revision_number: { ref: 'subnets.revision', kind: 'number' },
}

const visible = (caller: Caller) =>
  sql<SqlBool>`(networks.project_id = ${caller.projectId} or networks.shared = 1 or networks.external = 1)`

const selectNetworks = (db: Db, kind: DatabaseKind, caller: Caller) =>
  db
    .selectFrom('networks')
    .selectAll()
    .select([
      jsonArray(kind, sql`select id as item from subnets where network_id = networks.id order by created_at, id`).as(
        'subnet_ids',
      ),
      tagsColumn(kind, 'networks').as('tags'),
    ])
    .$if(!privileged(caller), (query) => query.where(visible(caller)))

export const findNetwork = (db: Db, kind: DatabaseKind, caller: Caller, id: string): Promise<Network | undefined> =>
  selectNetworks(db, kind, caller).where('networks.id', '=', id).executeTakeFirst()

export async function listNetworks(
  db: Db,
  kind: DatabaseKind,
  caller: Caller,
  list: List,
): Promise<readonly Network[]> {
  const marker = list.marker === undefined ? undefined : await findNetwork(db, kind, caller, list.marker)
  if (list.marker !== undefined && !marker) throw missing('Network', list.marker)
  let query = filtered(selectNetworks(db, kind, caller), networkColumns, list.filters)
  for (const condition of list.conditions) query = query.where(condition)
  return paged(query, networkColumns, list, marker && { ...marker }).execute()
}

const selectSubnets = (db: Db, kind: DatabaseKind, caller: Caller) =>
  db
    .selectFrom('subnets')
    .selectAll()
    .select(tagsColumn(kind, 'subnets').as('tags'))
    .$if(!privileged(caller), (query) =>
      query.where(
        sql<SqlBool>`(subnets.project_id = ${caller.projectId} or exists (
          select 1 from networks where networks.id = subnets.network_id and ${visible(caller)}))`,
      ),
    )

export const findSubnet = (db: Db, kind: DatabaseKind, caller: Caller, id: string): Promise<Subnet | undefined> =>
  selectSubnets(db, kind, caller).where('subnets.id', '=', id).executeTakeFirst()

export async function listSubnets(db: Db, kind: DatabaseKind, caller: Caller, list: List): Promise<readonly Subnet[]> {
  const marker = list.marker === undefined ? undefined : await findSubnet(db, kind, caller, list.marker)
  if (list.marker !== undefined && !marker) throw missing('Subnet', list.marker)
  let query = filtered(selectSubnets(db, kind, caller), subnetColumns, list.filters)
  for (const condition of list.conditions) query = query.where(condition)
  return paged(query, subnetColumns, list, marker && { ...marker }).execute()
}
