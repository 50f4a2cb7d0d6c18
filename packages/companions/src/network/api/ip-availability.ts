/** `/v2.0/network-ip-availabilities`: for admins. */
import type { FastifyInstance } from 'fastify'
import { privileged, type Caller } from '../../openstack/caller.ts'
import { all, type Query } from '../../openstack/page.ts'
import { withCaller } from '../../openstack/token-check.ts'
import type { NetworkContext } from '../context.ts'
import { disallowed, invalid, missing } from '../errors.ts'
import { ipAvailability, type AvailabilityFilter, type SubnetAvailability } from '../store/ip-availability.ts'

const FILTERS = new Set(['network_id', 'network_name', 'project_id', 'tenant_id', 'ip_version', 'fields'])

/** TypeScript does not know it yet. */
const rawJson = JSON as unknown as { rawJSON(text: string): unknown }
/** IPv6 blocks have more addresses than a number can count one by one. */
const exact = (value: bigint): unknown => rawJson.rawJSON(value.toString())

function viewOf(rows: readonly SubnetAvailability[]): Readonly<Record<string, unknown>> {
  const subnets = rows.filter(({ id }) => id !== null)
  return {
    network_id: rows[0]?.network_id,
    network_name: rows[0]?.network_name,
    project_id: rows[0]?.project_id,
    tenant_id: rows[0]?.project_id,
    total_ips: exact(subnets.reduce((sum, { total }) => sum + total, 0n)),
    used_ips: subnets.reduce((sum, { used }) => sum + used, 0),
    subnet_ip_availability: subnets.map(({ id, name, cidr, ip_version: version, total, used }) => ({
      subnet_id: id,
      subnet_name: name,
      cidr,
      ip_version: version,
      total_ips: exact(total),
      used_ips: used,
    })),
  }
}

export function ipAvailabilityRoutes(app: FastifyInstance, { check, database }: NetworkContext): void {
  const views = async (caller: Caller, filter: AvailabilityFilter) => {
    if (!privileged(caller)) throw disallowed('get_network_ip_availability')
    const byNetwork = Map.groupBy(await ipAvailability(database.kysely, filter), ({ network_id: id }) => id)
    return [...byNetwork.values()].map(viewOf)
  }
  const path = '/v2.0/network-ip-availabilities'
  app.get(
    path,
    withCaller(check, async (caller, request) => {
      const query = request.query as Query
      const named = (...names: string[]) => {
        const values = names.flatMap((name) => all(query, name))
        return values.length > 0 ? values : undefined
      }
      for (const name of Object.keys(query))
        if (!FILTERS.has(name)) throw invalid(`['${name}'] is invalid attribute for filtering`)
      const versions = named('ip_version')?.map(Number)
      if (versions?.some((version) => version !== 4 && version !== 6)) throw invalid('ip_version is 4 or 6')
      return {
        network_ip_availabilities: await views(caller, {
          networkIds: named('network_id'),
          networkNames: named('network_name'),
          projectIds: named('project_id', 'tenant_id'),
          versions,
        }),
      }
    }),
  )
  app.get(
    `${path}/:id`,
    withCaller(check, async (caller, request) => {
      const { id } = request.params as { id: string }
      const [view] = await views(caller, { networkIds: [id] })
      if (!view) throw missing('Network', id)
      return { network_ip_availability: view }
    }),
  )
}
