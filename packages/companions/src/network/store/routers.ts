/** Routers as rows, read with their gateway in one query. Who writes one locks its row first, so that two interfaces cannot overlap. */
import { sql, type Selectable } from 'kysely'
import { privileged, type Caller } from '../../openstack/caller.ts'
import { jsonRows, type DatabaseKind } from '../../openstack/json-column.ts'
import { filtered, paged, type Columns } from '../../openstack/page.ts'
import type { Db } from '../context.ts'
import { missing } from '../errors.ts'
import type { List } from '../list-query.ts'
import { tagsColumn } from './tags.ts'
import type { NetworkTables } from './tables.ts'

/** `gateway_ips` and `tags` are JSON. */
export type Router = Selectable<NetworkTables['routers']> & {
  readonly gateway_network: string | null
  readonly gateway_ips: string
  readonly tags: string
}

export const INTERFACE_OWNER = 'network:router_interface'
export const GATEWAY_OWNER = 'network:router_gateway'
export const FLOATING_OWNER = 'network:floatingip'

export const routerColumns: Columns = {
  id: { ref: 'routers.id', kind: 'text' },
  name: { ref: 'routers.name', kind: 'text' },
  description: { ref: 'routers.description', kind: 'text' },
  project_id: { ref: 'routers.project_id', kind: 'text' },
  tenant_id: { ref: 'routers.project_id', kind: 'text' },
  admin_state_up: { ref: 'routers.admin_state_up', kind: 'boolean' },
  revision_number: { ref: 'routers.revision', kind: 'number' },
}

const gatewayPort = sql`router_ports.router_id = routers.id and router_ports.kind = 'gateway'`

const selectRouters = (db: Db, kind: DatabaseKind, caller: Caller) =>
  db
    .selectFrom('routers')
    .selectAll()
    .select([
      sql<
        string | null
      >`(select network_id from router_ports join ports on ports.id = port_id where ${gatewayPort})`.as(
        'gateway_network',
      ),
      jsonRows(
        kind,
        ['subnet_id', 'address'],
        sql`select subnet_id, address from router_ports
          join ip_allocations on ip_allocations.port_id = router_ports.port_id where ${gatewayPort} order by address`,
      ).as('gateway_ips'),
      tagsColumn(kind, 'routers').as('tags'),
    ])
    .$if(!privileged(caller), (query) => query.where('routers.project_id', '=', caller.projectId))

export const findRouter = (db: Db, kind: DatabaseKind, caller: Caller, id: string): Promise<Router | undefined> =>
  selectRouters(db, kind, caller).where('routers.id', '=', id).executeTakeFirst()

export async function listRouters(db: Db, kind: DatabaseKind, caller: Caller, list: List): Promise<readonly Router[]> {
  const marker = list.marker === undefined ? undefined : await findRouter(db, kind, caller, list.marker)
  if (list.marker !== undefined && !marker) throw missing('Router', list.marker)
  let query = filtered(selectRouters(db, kind, caller), routerColumns, list.filters)
  for (const condition of list.conditions) query = query.where(condition)
  return paged(query, routerColumns, list, marker && { ...marker }).execute()
}

/** Until the end of the transaction nobody else writes it; counts a revision. Errors: 404. */
export async function lockRouter(db: Db, id: string, now: number): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable('routers')
    .set((eb) => ({ updated_at: now, revision: eb('revision', '+', 1) }))
    .where('id', '=', id)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw missing('Router', id)
}

export interface RouterPort {
  readonly port_id: string
  readonly kind: 'interface' | 'gateway'
  readonly network_id: string
  readonly mac_address: string
  readonly subnet_id: string | null
  /** A key. */
  readonly address: string | null
}

/** A row per address of its ports, and one for a port that has none. */
export const routerPorts = (db: Db, routerId: string): Promise<readonly RouterPort[]> =>
  db
    .selectFrom('router_ports')
    .innerJoin('ports', 'ports.id', 'router_ports.port_id')
    .leftJoin('ip_allocations', 'ip_allocations.port_id', 'ports.id')
    .select([
      'router_ports.port_id',
      'router_ports.kind',
      'ports.network_id',
      'ports.mac_address',
      'ip_allocations.subnet_id',
      'ip_allocations.address',
    ])
    .where('router_ports.router_id', '=', routerId)
    .orderBy('router_ports.port_id')
    .execute()

/** Every block the router reaches by itself: of its interfaces' subnets, and all of its gateway's network. */
export const routerSubnets = (db: Db, routerId: string): Promise<readonly { id: string; cidr: string }[]> =>
  db
    .selectFrom('subnets')
    .select(['id', 'cidr'])
    .where(({ or, eb, selectFrom }) =>
      or([
        eb(
          'id',
          'in',
          selectFrom('router_ports')
            .innerJoin('ip_allocations', 'ip_allocations.port_id', 'router_ports.port_id')
            .select('ip_allocations.subnet_id')
            .where('router_id', '=', routerId),
        ),
        eb(
          'network_id',
          'in',
          selectFrom('router_ports')
            .innerJoin('ports', 'ports.id', 'router_ports.port_id')
            .select('ports.network_id')
            .where('router_id', '=', routerId)
            .where('kind', '=', 'gateway'),
        ),
      ]),
    )
    .execute()
