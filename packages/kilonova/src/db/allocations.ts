/** Allocations: who takes what of which host. Used amounts are sums over these rows and are never counted anywhere else. */
import type { Resources } from '../domain/flavor.ts'
import type { Db } from './database.ts'

export type Usage = Readonly<Record<string, Resources & { readonly servers: number }>>

const total = (db: Db) =>
  db
    .selectFrom('allocations')
    .select(({ fn }) => [
      'host',
      fn.sum<number>('vcpus').as('vcpus'),
      fn.sum<number>('memory_mb').as('memory_mb'),
      fn.sum<number>('disk_gb').as('disk_gb'),
      fn.countAll<number>().as('servers'),
    ])
    .groupBy('host')

/** By host; a host without allocations is missing. */
export async function usedByHost(db: Db): Promise<Usage> {
  const rows = await total(db).execute()
  return Object.fromEntries(
    rows.map((row) => [
      row.host,
      {
        vcpus: Number(row.vcpus),
        memoryMb: Number(row.memory_mb),
        diskGb: Number(row.disk_gb),
        servers: Number(row.servers),
      },
    ]),
  )
}

export async function usedOn(db: Db, host: string): Promise<Resources> {
  const row = await total(db).where('host', '=', host).executeTakeFirst()
  return { vcpus: Number(row?.vcpus ?? 0), memoryMb: Number(row?.memory_mb ?? 0), diskGb: Number(row?.disk_gb ?? 0) }
}

export async function insertAllocation(
  db: Db,
  consumerId: string,
  host: string,
  projectId: string,
  resources: Resources,
  now: number,
): Promise<void> {
  await db
    .insertInto('allocations')
    .values({
      consumer_id: consumerId,
      host,
      project_id: projectId,
      vcpus: resources.vcpus,
      memory_mb: resources.memoryMb,
      disk_gb: resources.diskGb,
      created_at: now,
    })
    .execute()
}

export async function allocationsOf(db: Db, consumerId: string): Promise<readonly string[]> {
  const rows = await db.selectFrom('allocations').select('host').where('consumer_id', '=', consumerId).execute()
  return rows.map(({ host }) => host)
}

export async function deleteAllocations(db: Db, consumerId: string): Promise<void> {
  await db.deleteFrom('allocations').where('consumer_id', '=', consumerId).execute()
}
