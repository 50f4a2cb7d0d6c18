/** Images as rows: who may see them, how they are found, and the few statements that change them. */
import { sql, type Kysely, type RawBuilder, type Selectable, type SelectQueryBuilder, type SqlBool } from 'kysely'
import type { Database } from '@kilonova/base/database/open.ts'
import { privileged, type Caller } from '../../openstack/caller.ts'
import { jsonArray, jsonObject } from '../../openstack/json-column.ts'
import { filtered, paged, type Columns, type Page } from '../../openstack/page.ts'
import type { ImageTables } from './tables.ts'

export type ImageDatabase = Database<ImageTables>
/** `tags` is a JSON array, `properties` a JSON object. */
export type Image = Selectable<ImageTables['images']> & { readonly tags: string; readonly properties: string }

export const columns: Columns = {
  id: { ref: 'images.id', kind: 'text' },
  name: { ref: 'images.name', kind: 'text' },
  status: { ref: 'images.status', kind: 'text' },
  visibility: { ref: 'images.visibility', kind: 'text' },
  owner: { ref: 'images.owner', kind: 'text' },
  disk_format: { ref: 'images.disk_format', kind: 'text' },
  container_format: { ref: 'images.container_format', kind: 'text' },
  checksum: { ref: 'images.checksum', kind: 'text' },
  os_hash_value: { ref: 'images.os_hash_value', kind: 'text' },
  min_disk: { ref: 'images.min_disk', kind: 'number' },
  min_ram: { ref: 'images.min_ram', kind: 'number' },
  size: { ref: 'images.size', kind: 'number' },
  protected: { ref: 'images.protected', kind: 'boolean' },
  os_hidden: { ref: 'images.os_hidden', kind: 'boolean' },
  created_at: { ref: 'images.created_at', kind: 'number' },
  updated_at: { ref: 'images.updated_at', kind: 'number' },
}

const selectImages = ({ kysely, kind }: ImageDatabase) =>
  kysely
    .selectFrom('images')
    .selectAll('images')
    .select([
      jsonArray(kind, sql`select tag as item from image_tags where image_id = images.id order by tag`).as('tags'),
      jsonObject(
        kind,
        sql`select name, value as item from image_properties where image_id = images.id order by name`,
      ).as('properties'),
    ])

const isMember = (projectId: string, status?: string) =>
  sql<SqlBool>`exists (select 1 from image_members where image_id = images.id and member = ${projectId}${
    status === undefined ? sql`` : sql` and image_members.status = ${status}`
  })`

/** Undefined when there is none, or when it is not the caller's to see. */
export async function findImage(database: ImageDatabase, caller: Caller, id: string): Promise<Image | undefined> {
  let query = selectImages(database).where('images.id', '=', id)
  if (!privileged(caller))
    query = query.where((or) =>
      or.or([
        or('images.owner', '=', caller.projectId),
        or('images.visibility', 'in', ['public', 'community']),
        or.and([or('images.visibility', '=', 'shared'), isMember(caller.projectId)]),
      ]),
    )
  return query.executeTakeFirst()
}

export interface ImageList extends Page {
  readonly tags: readonly string[]
  readonly properties: readonly { readonly name: string; readonly value: string }[]
  readonly minSize: number | undefined
  readonly maxSize: number | undefined
  /** A caller sees community images only by asking for them. */
  readonly visibility: string | undefined
  readonly memberStatus: string
  readonly times: readonly TimeFilter[]
}

export interface TimeFilter {
  readonly field: 'created_at' | 'updated_at'
  readonly operator: 'gt' | 'gte' | 'lt' | 'lte' | 'eq' | 'neq'
  /** Milliseconds; it stands for its whole second, as times are shown. */
  readonly at: number
}

function listed<O>(
  query: SelectQueryBuilder<ImageTables, 'images', O>,
  caller: Caller,
  { visibility, memberStatus, filters }: ImageList,
): SelectQueryBuilder<ImageTables, 'images', O> {
  const chosen =
    visibility === undefined || visibility === 'all' ? query : query.where('images.visibility', '=', visibility)
  // A service at work for a project names it.
  if (caller.admin || (caller.service && filters.some(({ field }) => field === 'owner'))) return chosen
  return chosen.where((or) =>
    or.or([
      or('images.owner', '=', caller.projectId),
      or('images.visibility', '=', 'public'),
      ...(visibility === 'community' || visibility === 'all' ? [or('images.visibility', '=', 'community')] : []),
      or.and([
        or('images.visibility', '=', 'shared'),
        isMember(caller.projectId, memberStatus === 'all' ? undefined : memberStatus),
      ]),
    ]),
  )
}

function compared({ field, operator, at }: TimeFilter): RawBuilder<SqlBool> {
  const column = sql.ref(`images.${field}`)
  const from = Math.floor(at / 1000) * 1000
  const to = from + 1000
  const within = sql<SqlBool>`(${column} >= ${from} and ${column} < ${to})`
  const byOperator = {
    gt: sql<SqlBool>`${column} >= ${to}`,
    gte: sql<SqlBool>`${column} >= ${from}`,
    lt: sql<SqlBool>`${column} < ${from}`,
    lte: sql<SqlBool>`${column} < ${to}`,
    eq: within,
    neq: sql<SqlBool>`not ${within}`,
  }
  return byOperator[operator]
}

/** Undefined: the marker is not an image the caller can see. */
export async function listImages(
  database: ImageDatabase,
  caller: Caller,
  list: ImageList,
): Promise<readonly Image[] | undefined> {
  const marker = list.marker === undefined ? undefined : await findImage(database, caller, list.marker)
  if (list.marker !== undefined && !marker) return undefined
  let query = listed(filtered(selectImages(database), columns, list.filters), caller, list)
  for (const tag of list.tags)
    query = query.where(sql<SqlBool>`exists (select 1 from image_tags where image_id = images.id and tag = ${tag})`)
  for (const { name, value } of list.properties)
    query = query.where(
      sql<SqlBool>`exists (select 1 from image_properties where image_id = images.id and name = ${name} and value = ${value})`,
    )
  for (const filter of list.times) query = query.where(compared(filter))
  if (list.minSize !== undefined) query = query.where('images.size', '>=', list.minSize)
  if (list.maxSize !== undefined) query = query.where('images.size', '<=', list.maxSize)
  return paged(query, columns, list, marker && { ...marker }).execute()
}

/** False: the id is, or was, another image's. */
export async function insertImage(
  db: Kysely<ImageTables>,
  image: ImageTables['images'],
  tags: readonly string[],
  properties: Readonly<Record<string, string>>,
): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    const gone = await tx.selectFrom('deleted_images').select('id').where('id', '=', image.id).executeTakeFirst()
    if (gone) return false
    const row = await tx
      .insertInto('images')
      .values(image)
      .onConflict((taken) => taken.column('id').doNothing())
      .returning('id')
      .executeTakeFirst()
    if (!row) return false
    await writeTags(tx, image.id, tags)
    await writeProperties(tx, image.id, properties)
    return true
  })
}

/** Undefined: there is none, or it became protected. */
export async function deleteImage(
  db: Kysely<ImageTables>,
  id: string,
  now: number,
): Promise<{ readonly os_hash_value: string | null } | undefined> {
  return db.transaction().execute(async (tx) => {
    const row = await tx
      .deleteFrom('images')
      .where('id', '=', id)
      .where('protected', '=', 0)
      .returning('os_hash_value')
      .executeTakeFirst()
    if (row) await tx.insertInto('deleted_images').values({ id, deleted_at: now }).execute()
    return row
  })
}

export async function writeTags(db: Kysely<ImageTables>, imageId: string, tags: readonly string[]): Promise<void> {
  await db.deleteFrom('image_tags').where('image_id', '=', imageId).execute()
  const rows = [...new Set(tags)].map((tag) => ({ image_id: imageId, tag }))
  if (rows.length > 0) await db.insertInto('image_tags').values(rows).execute()
}

export async function writeProperties(
  db: Kysely<ImageTables>,
  imageId: string,
  properties: Readonly<Record<string, string>>,
): Promise<void> {
  await db.deleteFrom('image_properties').where('image_id', '=', imageId).execute()
  const rows = Object.entries(properties).map(([name, value]) => ({ image_id: imageId, name, value }))
  if (rows.length > 0) await db.insertInto('image_properties').values(rows).execute()
}
