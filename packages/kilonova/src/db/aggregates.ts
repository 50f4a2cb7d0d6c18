/** Host aggregates: named groups of compute hosts with metadata. One that names an availability zone puts its hosts into it. */
import { newId } from '@kilonova/base/clock.ts'
import { sql, type Selectable } from 'kysely'
import type { Db } from './database.ts'
import type { AggregatesTable } from './tables.ts'

export interface Aggregate {
  /** What paths call it by. */
  readonly number: number
  readonly id: string
  readonly name: string
  readonly metadata: Readonly<Record<string, string>>
  readonly hosts: readonly string[]
  readonly createdAt: number
  readonly updatedAt: number | null
}

const toAggregate = (row: Selectable<AggregatesTable>, hosts: readonly string[]): Aggregate => ({
  number: row.number,
  id: row.id,
  name: row.name,
  metadata: JSON.parse(row.metadata) as Record<string, string>,
  hosts,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

export async function allAggregates(db: Db): Promise<readonly Aggregate[]> {
  const rows = await db.selectFrom('aggregates').selectAll().orderBy('number').execute()
  const members = await db.selectFrom('aggregate_hosts').selectAll().orderBy('added_at').orderBy('host').execute()
  const byNumber = Map.groupBy(members, (member) => Number(member.aggregate_number))
  return rows.map((row) =>
    toAggregate(
      row,
      (byNumber.get(row.number) ?? []).map(({ host }) => host),
    ),
  )
}

/** False: the name is taken. */
export async function insertAggregate(
  db: Db,
  name: string,
  metadata: Aggregate['metadata'],
  now: number,
): Promise<boolean> {
  const { numInsertedOrUpdatedRows = 0n } = await db
    .insertInto('aggregates')
    .values({ id: newId(), name, metadata: JSON.stringify(metadata), created_at: now, updated_at: null })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .executeTakeFirst()
  return numInsertedOrUpdatedRows > 0n
}

export async function changeAggregate(
  db: Db,
  number: number,
  { name, metadata }: Pick<Aggregate, 'name' | 'metadata'>,
  now: number,
): Promise<void> {
  await db
    .updateTable('aggregates')
    .set({ name, metadata: JSON.stringify(metadata), updated_at: now })
    .where('number', '=', number)
    .execute()
}

export async function deleteAggregate(db: Db, number: number): Promise<void> {
  await db.deleteFrom('aggregates').where('number', '=', number).execute()
}

/** False: it was one of its hosts already. */
export async function addHost(db: Db, number: number, host: string, now: number): Promise<boolean> {
  const { numInsertedOrUpdatedRows = 0n } = await db
    .insertInto('aggregate_hosts')
    .values({ aggregate_number: number, host, added_at: now })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return numInsertedOrUpdatedRows > 0n
}

/** False: it was none of its hosts. */
export async function removeHost(db: Db, number: number, host: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('aggregate_hosts')
    .where('aggregate_number', '=', number)
    .where('host', '=', host)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

export async function setZone(db: Db, hosts: readonly string[], zone: string): Promise<void> {
  if (hosts.length > 0)
    await db.updateTable('hosts').set({ availability_zone: zone }).where('host', 'in', hosts).execute()
}

/** Holds all aggregates until the transaction ends: what zone a host is in follows from all of them. */
export async function lockAggregates(db: Db): Promise<void> {
  await db
    .updateTable('aggregates')
    .set({ number: sql`number` })
    .execute()
}
