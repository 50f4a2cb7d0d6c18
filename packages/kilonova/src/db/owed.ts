/** Removals that a host still owes because it was down when they were asked for; it settles them before it serves anything. */
import { uuid5 } from '@kilonova/base/uuid5.ts'
import type { Db } from './database.ts'

/** `powerOff` removes what a guest has in memory. */
export const REMOVALS = ['powerOff', 'destroy', 'unplug', 'removeFiles'] as const
export type Removal = (typeof REMOVALS)[number]
export interface Owed {
  readonly id: string
  readonly serverId: string
  readonly verb: Removal
  readonly epoch: number
}

/** The same removal is owed once. */
export async function owe(
  db: Db,
  host: string,
  serverId: string,
  verb: Removal,
  epoch: number,
  now: number,
): Promise<void> {
  await db
    .insertInto('owed')
    .values({
      id: uuid5(`${host}/${serverId}/${verb}`),
      host,
      server_id: serverId,
      verb,
      input: '{}',
      epoch,
      created_at: now,
    })
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ epoch }).where('owed.epoch', '<', epoch))
    .execute()
}

export async function owedBy(db: Db, host: string): Promise<readonly Owed[]> {
  const rows = await db.selectFrom('owed').selectAll().where('host', '=', host).orderBy('created_at').execute()
  return rows.map((row) => ({ id: row.id, serverId: row.server_id, verb: row.verb as Removal, epoch: row.epoch }))
}

export async function settle(db: Db, id: string): Promise<void> {
  await db.deleteFrom('owed').where('id', '=', id).execute()
}
