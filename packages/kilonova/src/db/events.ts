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

/** What was last said of it, of whatever tag. */
export async function newestTag(db: Db, serverId: string, name: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('events')
    .select('tag')
    .where('server_id', '=', serverId)
    .where('name', '=', name)
    .orderBy('at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.tag
}

export async function pruneEvents(db: Db, before: number): Promise<void> {
  await db.deleteFrom('events').where('at', '<', before).execute()
}
