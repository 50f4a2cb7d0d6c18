/** What happened to a server outside of its tasks: guest shut down, port plugged, job ended. A waiting task finds it here. */
import { newId } from '@kilonova/base/clock.ts'
import type { Json } from '../domain/json.ts'
import type { Db } from './database.ts'

export async function insertEvent(
  db: Db,
  serverId: string,
  name: string,
  tag: string,
  data: Json,
  now: number,
): Promise<void> {
  await db
    .insertInto('events')
    .values({ id: newId(), server_id: serverId, name, tag, data: JSON.stringify(data), at: now })
    .execute()
}

/** The first such event since then. */
export async function findEvent(
  db: Db,
  serverId: string,
  name: string,
  tag: string,
  since: number,
): Promise<Json | undefined> {
  const row = await db
    .selectFrom('events')
    .select('data')
    .where('server_id', '=', serverId)
    .where('name', '=', name)
    .where('tag', '=', tag)
    .where('at', '>=', since)
    .orderBy('at')
    .limit(1)
    .executeTakeFirst()
  return row && (JSON.parse(row.data) as Json)
}

/** What each of these last said of it, of whatever tag. */
export async function newestTags(db: Db, serverId: string, names: readonly string[]): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('events')
    .select(['name', 'tag'])
    .where('server_id', '=', serverId)
    .where('name', 'in', names)
    .orderBy('at')
    .orderBy('id')
    .execute()
  return [...new Map(rows.map(({ name, tag }) => [name, tag])).values()]
}

export async function pruneEvents(db: Db, before: number): Promise<void> {
  await db.deleteFrom('events').where('at', '<', before).execute()
}
