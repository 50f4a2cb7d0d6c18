/** The addresses that users see at their servers, changed beside tasks: one statement per server, and only over what was read. */
import type { Kysely } from 'kysely'
import type { Address } from '../domain/server.ts'
import { atomically, type Db } from './database.ts'
import { setAddressTerms } from './server-terms.ts'
import type { Tables } from './tables.ts'

export interface ServerAddresses {
  readonly id: string
  readonly addresses: readonly Address[]
  /** As it is written. */
  readonly text: string
}

const IDS_AT_ONCE = 1000
const LOOKED_FOR_BY_NAME = 50
const FLOATING = '%"type":"floating"%'

/** Of those servers, and of all that have a floating IP; each once. */
export async function addressesOf(
  db: Db,
  ids: readonly string[],
  floating: boolean,
): Promise<readonly ServerAddresses[]> {
  const found = new Map<string, string>()
  const chosen = db.selectFrom('servers').select(['id', 'addresses'])
  for (let from = 0; from < ids.length; from += IDS_AT_ONCE)
    for (const row of await chosen.where('id', 'in', ids.slice(from, from + IDS_AT_ONCE)).execute())
      found.set(row.id, row.addresses)
  if (floating)
    for (const row of await chosen.where('addresses', 'like', FLOATING).execute()) found.set(row.id, row.addresses)
  return [...found].map(([id, text]) => ({ id, text, addresses: JSON.parse(text) as Address[] }))
}

/** Of all servers that have some, but those that are being made. */
export async function shownAddresses(
  db: Db,
  /** Those with addresses on one of these ports alone. */
  portIds?: readonly string[],
): Promise<readonly Omit<ServerAddresses, 'text'>[]> {
  const all = db
    .selectFrom('servers')
    .select(['id', 'addresses'])
    .where('deleted_at', 'is', null)
    .where('vm_state', '!=', 'building')
    .where('addresses', '!=', '[]')
  const few = portIds && portIds.length <= LOOKED_FOR_BY_NAME
  const chosen = few
    ? all.where(({ eb, or }) => or(portIds.map((id) => eb('addresses', 'like', `%"portId":"${id}"%`))))
    : all
  const rows = await chosen.execute()
  return rows.map(({ id, addresses }) => ({ id, addresses: JSON.parse(addresses) as Address[] }))
}

/** Answers whether they still were as they had been read. */
export const replaceAddresses = (
  db: Kysely<Tables>,
  { id, text }: Pick<ServerAddresses, 'id' | 'text'>,
  addresses: readonly Address[],
): Promise<boolean> =>
  atomically(db, async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable('servers')
      .set({ addresses: JSON.stringify(addresses) })
      .where('id', '=', id)
      .where('addresses', '=', text)
      .executeTakeFirst()
    if (numUpdatedRows > 0n) await setAddressTerms(tx, id, addresses)
    return numUpdatedRows > 0n
  })
