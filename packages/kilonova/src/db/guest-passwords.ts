/** Passwords of guests, encrypted: posted by themselves, once until it is cleared, or set from outside. */
import type { Db } from './database.ts'

/** Undefined: none. */
export async function guestPassword(db: Db, serverId: string): Promise<string | undefined> {
  const row = await db.selectFrom('servers').select('guest_password').where('id', '=', serverId).executeTakeFirst()
  return row?.guest_password ?? undefined
}

/** False: one is there, or the server is gone. */
export async function setGuestPassword(db: Db, serverId: string, password: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('servers')
    .set({ guest_password: password })
    .where('id', '=', serverId)
    .where('guest_password', 'is', null)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** Whatever was there before. */
export async function replaceGuestPassword(db: Db, serverId: string, password: string | null): Promise<void> {
  await db.updateTable('servers').set({ guest_password: password }).where('id', '=', serverId).execute()
}
export const clearGuestPassword = (db: Db, serverId: string): Promise<void> => replaceGuestPassword(db, serverId, null)
