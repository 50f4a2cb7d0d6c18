/** Flavors: sizes that operators define, public ones for everybody, others for the projects that were given access. */
import { sql, type Selectable, type Updateable } from 'kysely'
import type { Flavor } from '../domain/flavor.ts'
import type { Db } from './database.ts'
import type { FlavorsTable } from './tables.ts'

export const toFlavor = (row: Selectable<FlavorsTable>): Flavor => ({
  id: row.id,
  name: row.name,
  vcpus: row.vcpus,
  memoryMb: row.memory_mb,
  rootGb: row.root_gb,
  ephemeralGb: row.ephemeral_gb,
  swapMb: row.swap_mb,
  rxtxFactor: row.rxtx_factor,
  isPublic: row.is_public === 1,
  disabled: row.disabled === 1,
  description: row.description,
  extraSpecs: JSON.parse(row.extra_specs) as Record<string, string>,
})

/** `projectId` null: all flavors. Otherwise the public ones and those the project has access to. */
const visible = (db: Db, projectId: string | null) => {
  const all = db.selectFrom('flavors').selectAll()
  if (projectId === null) return all
  return all.where(({ or, eb, exists, selectFrom }) =>
    or([
      eb('is_public', '=', 1),
      exists(
        selectFrom('flavor_projects')
          .select('flavor_id')
          .whereRef('flavor_projects.flavor_id', '=', 'flavors.id')
          .where('project_id', '=', projectId),
      ),
    ]),
  )
}

export async function findFlavor(db: Db, id: string, projectId: string | null): Promise<Flavor | undefined> {
  const row = await visible(db, projectId).where('id', '=', id).executeTakeFirst()
  return row && toFlavor(row)
}

export const FLAVOR_SORT = {
  created_at: 'created_at',
  description: 'description',
  disabled: 'disabled',
  ephemeral_gb: 'ephemeral_gb',
  flavorid: 'id',
  id: 'number',
  is_public: 'is_public',
  memory_mb: 'memory_mb',
  name: 'name',
  root_gb: 'root_gb',
  rxtx_factor: 'rxtx_factor',
  swap: 'swap_mb',
  updated_at: 'created_at',
  vcpu_weight: 'vcpus',
  vcpus: 'vcpus',
} as const satisfies Readonly<Record<string, keyof FlavorsTable>>

export interface FlavorFilter {
  readonly projectId: string | null
  readonly isPublic?: boolean
  readonly minRamMb?: number
  readonly minDiskGb?: number
  readonly sort: keyof typeof FLAVOR_SORT
  readonly descending: boolean
}

export async function listFlavors(
  db: Db,
  { projectId, isPublic, minRamMb = 0, minDiskGb = 0, sort, descending }: FlavorFilter,
): Promise<readonly Flavor[]> {
  let query = visible(db, projectId).where('memory_mb', '>=', minRamMb).where('root_gb', '>=', minDiskGb)
  if (isPublic !== undefined) query = query.where('is_public', '=', Number(isPublic))
  const rows = await query
    .orderBy(FLAVOR_SORT[sort], descending ? 'desc' : 'asc')
    .orderBy('number', descending ? 'desc' : 'asc')
    .execute()
  return rows.map(toFlavor)
}

/** Which of id and name is taken already; undefined when neither, and the flavor was made. */
export async function insertFlavor(db: Db, flavor: Flavor, now: number): Promise<'id' | 'name' | undefined> {
  const { numInsertedOrUpdatedRows = 0n } = await db
    .insertInto('flavors')
    .values({
      id: flavor.id,
      name: flavor.name,
      vcpus: flavor.vcpus,
      memory_mb: flavor.memoryMb,
      root_gb: flavor.rootGb,
      ephemeral_gb: flavor.ephemeralGb,
      swap_mb: flavor.swapMb,
      rxtx_factor: flavor.rxtxFactor,
      is_public: Number(flavor.isPublic),
      disabled: Number(flavor.disabled),
      description: flavor.description,
      extra_specs: JSON.stringify(flavor.extraSpecs),
      created_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  if (numInsertedOrUpdatedRows > 0n) return undefined
  const taken = await db
    .selectFrom('flavors')
    .select('id')
    .where(({ or, eb }) => or([eb('id', '=', flavor.id), eb('name', '=', flavor.name)]))
    .execute()
  return taken.some(({ id }) => id === flavor.id) ? 'id' : 'name'
}

export async function changeFlavor(
  db: Db,
  id: string,
  change: Pick<Updateable<FlavorsTable>, 'description' | 'extra_specs'>,
): Promise<void> {
  await db.updateTable('flavors').set(change).where('id', '=', id).execute()
}

export async function deleteFlavor(db: Db, id: string): Promise<void> {
  await db.deleteFrom('flavor_projects').where('flavor_id', '=', id).execute()
  await db.deleteFrom('flavors').where('id', '=', id).execute()
}

export async function flavorProjects(db: Db, id: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('flavor_projects')
    .select('project_id')
    .where('flavor_id', '=', id)
    .orderBy('project_id')
    .execute()
  return rows.map((row) => row.project_id)
}
/** False: the project had access already. */
export async function giveAccess(db: Db, id: string, projectId: string): Promise<boolean> {
  const { numInsertedOrUpdatedRows = 0n } = await db
    .insertInto('flavor_projects')
    .values({ flavor_id: id, project_id: projectId })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return numInsertedOrUpdatedRows > 0n
}
/** False: the project had none. */
export async function takeAccess(db: Db, id: string, projectId: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('flavor_projects')
    .where('flavor_id', '=', id)
    .where('project_id', '=', projectId)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** Holds the flavor's row until the transaction ends. */
export async function lockFlavor(db: Db, id: string): Promise<void> {
  await db
    .updateTable('flavors')
    .set({ number: sql`number` })
    .where('id', '=', id)
    .execute()
}
