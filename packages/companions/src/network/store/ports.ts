/** Ports as rows, read with their addresses, groups and tags in one query. */
import { randomUUID } from 'node:crypto'
import { sql, type Insertable, type Selectable, type SqlBool } from 'kysely'
import { privileged, type Caller } from '../../openstack/caller.ts'
import { jsonArray, jsonRows, type DatabaseKind } from '../../openstack/json-column.ts'
import { filtered, mustBeModest, paged, type Columns } from '../../openstack/page.ts'
import { keyOf, parseAddress } from '../address.ts'
import type { Db } from '../context.ts'
import { invalid, macInUse, missing } from '../errors.ts'
import type { List, Specials } from '../list-query.ts'
import { tagsColumn } from './tags.ts'
import type { NetworkTables } from './tables.ts'

/** `fixed_ips`, `group_ids` and `tags` are JSON. */
export type Port = Omit<Selectable<NetworkTables['ports']>, 'status'> & {
  readonly shown_status: string
  readonly fixed_ips: string
  readonly group_ids: string
  readonly tags: string
}

export const portColumns: Columns = {
  id: { ref: 'ports.id', kind: 'text' },
  name: { ref: 'ports.name', kind: 'text' },
  description: { ref: 'ports.description', kind: 'text' },
  project_id: { ref: 'ports.project_id', kind: 'text' },
  tenant_id: { ref: 'ports.project_id', kind: 'text' },
  network_id: { ref: 'ports.network_id', kind: 'text' },
  mac_address: { ref: 'ports.mac_address', kind: 'text' },
  admin_state_up: { ref: 'ports.admin_state_up', kind: 'boolean' },
  device_id: { ref: 'ports.device_id', kind: 'text' },
  device_owner: { ref: 'ports.device_owner', kind: 'text' },
  'binding:host_id': { ref: 'ports.host_id', kind: 'text' },
  'binding:vnic_type': { ref: 'ports.vnic_type', kind: 'text' },
  port_security_enabled: { ref: 'ports.port_security_enabled', kind: 'boolean' },
  dns_name: { ref: 'ports.dns_name', kind: 'text' },
  revision_number: { ref: 'ports.revision', kind: 'number' },
}

/** `fixed_ips=ip_address=10.0.0.5`, `fixed_ips=subnet_id=…`; all given must hold of one address. */
function fixedIpsFilter(values: readonly string[]) {
  mustBeModest(values.length, 0)
  const conditions = values.map((value) => {
    const [name, text = ''] = value.split('=')
    if (name === 'subnet_id') return sql<SqlBool>`subnet_id = ${text}`
    const address = name === 'ip_address' ? parseAddress(text) : undefined
    if (!address) throw invalid(`'${value}' is no filter for fixed_ips`)
    return sql<SqlBool>`address = ${keyOf(address.version, address.value)}`
  })
  return sql<SqlBool>`exists (select 1 from ip_allocations where port_id = ports.id and ${sql.join(conditions, sql` and `)})`
}

export const portSpecials: Specials = {
  fixed_ips: fixedIpsFilter,
  status: (values) => sql<SqlBool>`${portStatus} in (${sql.join(values)})`,
  security_groups: (values) =>
    sql<SqlBool>`exists (
      select 1 from port_security_groups where port_id = ports.id and security_group_id in (${sql.join(values)}))`,
}

/** As Neutron tells it: a router's own port works as soon as it is there, and one that only holds an address has none. */
export const portStatus = sql<string>`case when ports.device_owner = 'network:floatingip' then 'N/A'
  when ports.admin_state_up = 0 then 'DOWN'
  when ports.host_id <> '' or ports.device_owner like 'network:router%' then 'ACTIVE' else 'DOWN' end`

/** On PostgreSQL until the end of the transaction; on SQLite every transaction that writes is alone already. */
export async function lockPort(db: Db, kind: DatabaseKind, id: string): Promise<void> {
  if (kind === 'postgresql') await db.selectFrom('ports').select('id').where('id', '=', id).forUpdate().execute()
}

const selectPorts = (db: Db, kind: DatabaseKind, caller: Caller) =>
  db
    .selectFrom('ports')
    .selectAll()
    .select([
      jsonRows(
        kind,
        ['subnet_id', 'address'],
        sql`select subnet_id, address from ip_allocations where port_id = ports.id order by address`,
      ).as('fixed_ips'),
      jsonArray(
        kind,
        sql`select security_group_id as item from port_security_groups where port_id = ports.id order by security_group_id`,
      ).as('group_ids'),
      tagsColumn(kind, 'ports').as('tags'),
      portStatus.as('shown_status'),
    ])
    // Also those that others have on the caller's own network.
    .$if(!privileged(caller), (query) =>
      query.where(
        sql<SqlBool>`(ports.project_id = ${caller.projectId}
          or ports.network_id in (select id from networks where project_id = ${caller.projectId}))`,
      ),
    )

export const findPort = (db: Db, kind: DatabaseKind, caller: Caller, id: string): Promise<Port | undefined> =>
  selectPorts(db, kind, caller).where('ports.id', '=', id).executeTakeFirst()

export async function listPorts(db: Db, kind: DatabaseKind, caller: Caller, list: List): Promise<readonly Port[]> {
  const marker = list.marker === undefined ? undefined : await findPort(db, kind, caller, list.marker)
  if (list.marker !== undefined && !marker) throw missing('Port', list.marker)
  let query = filtered(selectPorts(db, kind, caller), portColumns, list.filters)
  for (const condition of list.conditions) query = query.where(condition)
  return paged(query, portColumns, list, marker && { ...marker }).execute()
}

const MAC_TRIES = 16

/** The random digits are a UUID's: those are drawn many at a time. */
const randomMac = (): string => `fa:16:3e:${(randomUUID().slice(0, 6).match(/../g) ?? []).join(':')}`

/** Writes the port under the MAC it wants or a new one, which is returned. Errors: 409 when the wanted one is taken. */
export async function insertPort(
  db: Db,
  port: Omit<Insertable<NetworkTables['ports']>, 'mac_address'>,
  wantedMac: string | undefined,
): Promise<string> {
  for (let attempt = 0; attempt < MAC_TRIES; attempt++) {
    const mac = wantedMac ?? randomMac()
    const row = await db
      .insertInto('ports')
      .values({ ...port, mac_address: mac })
      .onConflict((there) => there.columns(['network_id', 'mac_address']).doNothing())
      .returning('mac_address')
      .executeTakeFirst()
    if (row) return mac
    if (wantedMac !== undefined) break
  }
  throw macInUse(port.network_id, wantedMac ?? 'any of the generated ones')
}

export async function writeGroups(db: Db, portId: string, groupIds: readonly string[]): Promise<void> {
  if (groupIds.length === 0) return
  await db
    .insertInto('port_security_groups')
    .values([...new Set(groupIds)].map((id) => ({ port_id: portId, security_group_id: id })))
    .execute()
}
