/** Services as operators see them: every compute host has one, and every other daemon keeps a row that says when it was last seen. */
import { newId } from '@kilonova/base/clock.ts'
import type { Db } from './database.ts'

export interface Service {
  /** A UUID. */
  readonly id: string
  /** What microversions before 2.53 call it by: computes have even ones, the other daemons odd ones. */
  readonly number: number
  readonly binary: string
  readonly host: string
  readonly zone: string
  readonly disabled: boolean
  readonly disabledReason: string | null
  readonly forcedDown: boolean
  readonly lastSeenAt: number
}

const INTERNAL_ZONE = 'internal'
export const COMPUTE = 'nova-compute'

export async function allServices(db: Db): Promise<readonly Service[]> {
  const computes = await db
    .selectFrom('hosts')
    .select([
      'service_id',
      'number',
      'host',
      'availability_zone',
      'disabled',
      'disabled_reason',
      'forced_down',
      'last_seen_at',
    ])
    .orderBy('number')
    .execute()
  const others = await db.selectFrom('services').selectAll().orderBy('number').execute()
  return [
    ...others.map((row) => ({
      id: row.id,
      number: row.number * 2 - 1,
      binary: row.binary,
      host: row.host,
      zone: INTERNAL_ZONE,
      disabled: row.disabled === 1,
      disabledReason: row.disabled_reason,
      forcedDown: false,
      lastSeenAt: row.last_seen_at,
    })),
    ...computes.map((row) => ({
      id: row.service_id,
      number: row.number * 2,
      binary: COMPUTE,
      host: row.host,
      zone: row.availability_zone,
      disabled: row.disabled === 1,
      disabledReason: row.disabled_reason,
      forcedDown: row.forced_down === 1,
      lastSeenAt: row.last_seen_at,
    })),
  ]
}

/** A daemon other than a compute says that it is alive. */
export async function seen(db: Db, binary: string, host: string, now: number): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable('services')
    .set({ last_seen_at: now })
    .where('binary', '=', binary)
    .where('host', '=', host)
    .executeTakeFirst()
  if (numUpdatedRows > 0n) return
  await db
    .insertInto('services')
    .values({ id: newId(), binary, host, disabled: 0, disabled_reason: null, last_seen_at: now, created_at: now })
    .onConflict((conflict) => conflict.columns(['binary', 'host']).doUpdateSet({ last_seen_at: now }))
    .execute()
}

export interface ServiceChange {
  readonly disabled?: boolean
  readonly disabledReason?: string | null
  /** Of computes only. */
  readonly forcedDown?: boolean
}
export async function changeService(
  db: Db,
  { id, binary }: Pick<Service, 'id' | 'binary'>,
  { disabled, disabledReason, forcedDown }: ServiceChange,
): Promise<void> {
  const values = {
    ...(disabled === undefined ? {} : { disabled: Number(disabled) }),
    ...(disabledReason === undefined ? {} : { disabled_reason: disabledReason }),
  }
  const down = forcedDown === undefined ? {} : { forced_down: Number(forcedDown) }
  if (Object.keys({ ...values, ...down }).length === 0) return
  if (binary === COMPUTE)
    await db
      .updateTable('hosts')
      .set({ ...values, ...down })
      .where('service_id', '=', id)
      .execute()
  else if (Object.keys(values).length > 0) await db.updateTable('services').set(values).where('id', '=', id).execute()
}

/** Forgets a service; what a compute still owed, and its places in aggregates, go with it. */
export async function deleteService(
  db: Db,
  { id, binary, host }: Pick<Service, 'id' | 'binary' | 'host'>,
): Promise<void> {
  if (binary !== COMPUTE) return void (await db.deleteFrom('services').where('id', '=', id).execute())
  await db.deleteFrom('owed').where('host', '=', host).execute()
  await db.deleteFrom('aggregate_hosts').where('host', '=', host).execute()
  await db.deleteFrom('hosts').where('service_id', '=', id).execute()
}
