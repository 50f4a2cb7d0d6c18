/** Leases on what one daemon of all does: taken when nobody holds it any more, renewed by who has it. */
import { sql } from 'kysely'
import type { Db } from './database.ts'

/** Whether it is ours until then. */
export async function holdWatch(db: Db, name: string, owner: string, now: number, until: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('watches')
    .set({ owner, held_until: until })
    .where('name', '=', name)
    .where(({ or, eb }) => or([eb('owner', '=', owner), eb('held_until', '<', now)]))
    .executeTakeFirst()
  if (numUpdatedRows > 0n) return true
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('watches')
    .values({ name, owner, held_until: until })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .executeTakeFirst()
  return (numInsertedOrUpdatedRows ?? 0n) > 0n
}

/** Lets go of it. `ownerBegins`: of all whose name begins so, as an earlier process of ours had. */
export async function releaseWatch(db: Db, name: string, ownerBegins: string): Promise<void> {
  await db
    .updateTable('watches')
    .set({ held_until: 0 })
    .where('name', '=', name)
    .where(sql`substr(owner, 1, ${sql.lit(ownerBegins.length)})`, '=', ownerBegins)
    .execute()
}
