/** What else a change concerns. */
import type { Db } from '../context.ts'

/** Routers with a port on the networks: a subnet's change is theirs, too. */
export async function routersOn(db: Db, networks: ReadonlySet<string>): Promise<readonly string[]> {
  if (networks.size === 0) return []
  const rows = await db
    .selectFrom('router_ports')
    .innerJoin('ports', 'ports.id', 'router_ports.port_id')
    .select('router_ports.router_id')
    .distinct()
    .where('ports.network_id', 'in', [...networks])
    .execute()
  return rows.map(({ router_id: id }) => id)
}

/** Bound ports that a change of a group concerns: its own ports for its rules, those of the groups that name it as remote for its members. */
export async function boundPortsOf(
  db: Db,
  rules: ReadonlySet<string>,
  members: ReadonlySet<string>,
): Promise<readonly string[]> {
  if (rules.size === 0 && members.size === 0) return []
  const rows = await db
    .selectFrom('port_security_groups')
    .innerJoin('ports', 'ports.id', 'port_security_groups.port_id')
    .select('ports.id')
    .distinct()
    .where('ports.host_id', '!=', '')
    .where(({ or, eb, selectFrom }) =>
      or([
        eb('security_group_id', 'in', [...rules, '']),
        eb(
          'security_group_id',
          'in',
          selectFrom('security_group_rules')
            .select('security_group_id')
            .where('remote_group_id', 'in', [...members, '']),
        ),
      ]),
    )
    .execute()
  return rows.map(({ id }) => id)
}
