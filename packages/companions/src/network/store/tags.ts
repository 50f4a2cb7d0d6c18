/** Tags of networks, subnets, ports and security groups. */
import { sql, type RawBuilder } from 'kysely'
import { jsonArray, type DatabaseKind } from '../../openstack/json-column.ts'
import type { Db } from '../context.ts'

/** The column `tags` of a list over a table. */
export const tagsColumn = (kind: DatabaseKind, table: string): RawBuilder<string> =>
  jsonArray(kind, sql`select tag as item from tags where resource_id = ${sql.ref(`${table}.id`)} order by tag`)

export async function addTags(db: Db, resourceId: string, tags: readonly string[]): Promise<void> {
  if (tags.length === 0) return
  await db
    .insertInto('tags')
    .values([...new Set(tags)].map((tag) => ({ resource_id: resourceId, tag })))
    .onConflict((there) => there.doNothing())
    .execute()
}

export async function removeTags(db: Db, resourceId: string): Promise<void> {
  await db.deleteFrom('tags').where('resource_id', '=', resourceId).execute()
}
