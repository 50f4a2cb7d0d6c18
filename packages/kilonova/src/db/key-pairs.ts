/** Key pairs of users. The private half is never kept. */
import type { Selectable } from 'kysely'
import type { KeyPair } from '../domain/key-pair.ts'
import type { Db } from './database.ts'
import type { KeyPairsTable } from './tables.ts'

export interface KeptKeyPair extends KeyPair {
  readonly number: number
}

const toKeyPair = (row: Selectable<KeyPairsTable>): KeptKeyPair => ({
  number: row.number,
  userId: row.user_id,
  name: row.name,
  type: row.type as KeyPair['type'],
  publicKey: row.public_key,
  fingerprint: row.fingerprint,
  createdAt: row.created_at,
})

export async function findKeyPair(db: Db, userId: string, name: string): Promise<KeptKeyPair | undefined> {
  const row = await db
    .selectFrom('key_pairs')
    .selectAll()
    .where('user_id', '=', userId)
    .where('name', '=', name)
    .executeTakeFirst()
  return row && toKeyPair(row)
}

/** By name, after the one called `marker`. */
export async function listKeyPairs(
  db: Db,
  userId: string,
  limit: number,
  marker?: string,
): Promise<readonly KeptKeyPair[]> {
  let query = db.selectFrom('key_pairs').selectAll().where('user_id', '=', userId)
  if (marker !== undefined) query = query.where('name', '>', marker)
  const rows = await query.orderBy('name').limit(limit).execute()
  return rows.map(toKeyPair)
}

export async function countKeyPairs(db: Db, userId: string): Promise<number> {
  const row = await db
    .selectFrom('key_pairs')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return Number(row?.count ?? 0)
}

/** False: the name is taken. */
export async function insertKeyPair(db: Db, pair: KeyPair): Promise<boolean> {
  const { numInsertedOrUpdatedRows = 0n } = await db
    .insertInto('key_pairs')
    .values({
      user_id: pair.userId,
      name: pair.name,
      type: pair.type,
      public_key: pair.publicKey,
      fingerprint: pair.fingerprint,
      created_at: pair.createdAt,
    })
    .onConflict((conflict) => conflict.columns(['user_id', 'name']).doNothing())
    .executeTakeFirst()
  return numInsertedOrUpdatedRows > 0n
}

export async function deleteKeyPair(db: Db, userId: string, name: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('key_pairs')
    .where('user_id', '=', userId)
    .where('name', '=', name)
    .executeTakeFirst()
  return numDeletedRows > 0n
}
