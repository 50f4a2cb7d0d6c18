/** Leave to open consoles, by the hash of a token that only its owner has. It ends with its time, its server, and the server's stay on the host. */
import { createHash } from 'node:crypto'
import type { ConsoleKind, ConsoleLeave } from '../domain/console.ts'
import type { Db } from './database.ts'

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')

export async function insertConsoleToken(db: Db, token: string, leave: ConsoleLeave, now: number): Promise<void> {
  await db
    .insertInto('console_tokens')
    .values({
      token_hash: hashOf(token),
      server_id: leave.serverId,
      host: leave.host,
      kind: leave.kind,
      access_url_base: leave.accessUrlBase,
      expires_at: leave.expiresAt,
      created_at: now,
    })
    .execute()
}

/** What a token gives leave to; undefined when it never did, or no longer does. */
export async function findConsoleLeave(db: Db, token: string, now: number): Promise<ConsoleLeave | undefined> {
  const row = await db
    .selectFrom('console_tokens')
    .selectAll()
    .where('token_hash', '=', hashOf(token))
    .where('expires_at', '>', now)
    .executeTakeFirst()
  if (!row) return undefined
  const leave = {
    serverId: row.server_id,
    host: row.host,
    kind: row.kind as ConsoleKind,
    accessUrlBase: row.access_url_base,
    expiresAt: row.expires_at,
  }
  return (await stillThere(db, [leave])).length > 0 ? leave : undefined
}

/** Those whose server is there, is not being deleted, and is on the host that it was on. */
export async function stillThere<T extends Pick<ConsoleLeave, 'serverId' | 'host'>>(
  db: Db,
  leaves: readonly T[],
): Promise<readonly T[]> {
  if (leaves.length === 0) return []
  const rows = await db
    .selectFrom('servers')
    .select(['id', 'host'])
    .where('id', 'in', [...new Set(leaves.map(({ serverId }) => serverId))])
    .where('deleted_at', 'is', null)
    .where(({ or, eb }) => or([eb('task_state', 'is', null), eb('task_state', '!=', 'deleting')]))
    .execute()
  const hosts = new Map(rows.map(({ id, host }) => [id, host]))
  return leaves.filter(({ serverId, host }) => hosts.get(serverId) === host)
}

/** Forgets what has expired, and what servers left behind that were deleted. Answers how many. */
export async function removeDeadConsoleTokens(db: Db, now: number): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('console_tokens')
    .where(({ or, eb, selectFrom }) =>
      or([
        eb('expires_at', '<=', now),
        eb('server_id', 'in', selectFrom('servers').select('id').where('deleted_at', 'is not', null)),
      ]),
    )
    .executeTakeFirst()
  return Number(numDeletedRows)
}
