/** The service catalog: enabled services with their endpoints, addresses filled in for one project. */
import type { Kysely } from 'kysely'
import type { IdentityTables } from './tables.ts'

export interface CatalogEndpoint {
  readonly id: string
  readonly interface: string
  readonly region_id: string | null
  readonly region: string | null
  readonly url: string
}

export interface CatalogService {
  readonly id: string
  readonly type: string
  readonly name: string
  readonly endpoints: readonly CatalogEndpoint[]
}

/** `%(project_id)s`, `%(tenant_id)s` and their `$(…)s` forms; an address that needs a project is left out without one. */
function addressed(url: string, projectId: string | null): string | undefined {
  const variable = /[%$]\((project_id|tenant_id)\)s/g
  if (!variable.test(url)) return url
  return projectId === null ? undefined : url.replaceAll(variable, projectId)
}

export async function catalogFor(
  db: Kysely<IdentityTables>,
  projectId: string | null,
): Promise<readonly CatalogService[]> {
  const rows = await db
    .selectFrom('services')
    .innerJoin('endpoints', 'endpoints.service_id', 'services.id')
    .select(['services.id as service_id', 'services.type', 'services.name'])
    .select(['endpoints.id', 'endpoints.interface', 'endpoints.region_id', 'endpoints.url'])
    .where('services.enabled', '=', 1)
    .where('endpoints.enabled', '=', 1)
    .orderBy('services.type')
    .orderBy('endpoints.interface')
    .execute()
  const services = new Map<string, { id: string; type: string; name: string; endpoints: CatalogEndpoint[] }>()
  for (const row of rows) {
    const url = addressed(row.url, projectId)
    const service = services.get(row.service_id) ?? {
      id: row.service_id,
      type: row.type,
      name: row.name ?? '',
      endpoints: [],
    }
    if (url !== undefined)
      service.endpoints.push({
        id: row.id,
        interface: row.interface,
        region_id: row.region_id,
        region: row.region_id,
        url,
      })
    services.set(row.service_id, service)
  }
  return [...services.values()]
}
