/** How the servers of one request were placed: all of them by one decision, which is written with their claims or says why there are none. */
import type { Db } from './database.ts'

/** Shared by some, so that there are few of them. Locked by who decides, and by who gives a claim back: a server that is deleted meanwhile must not get one afterwards. */
export const placementGuard = (reservationId: string): string => `placement/${reservationId.slice(-2)}`

/** Undefined: nothing is decided yet. `explanation` is null when they were placed. */
export async function findPlacement(
  db: Db,
  reservationId: string,
): Promise<{ readonly explanation: string | null } | undefined> {
  return db
    .selectFrom('placements')
    .select('explanation')
    .where('reservation_id', '=', reservationId)
    .executeTakeFirst()
}

/** Decisions are kept this long: whoever could still ask is long over. */
const KEPT_MS = 30 * 24 * 3600_000

export async function keepPlacement(
  db: Db,
  reservationId: string,
  explanation: string | null,
  now: number,
): Promise<void> {
  await db
    .deleteFrom('placements')
    .where('decided_at', '<', now - KEPT_MS)
    .execute()
  await db.insertInto('placements').values({ reservation_id: reservationId, explanation, decided_at: now }).execute()
}

/** The servers of a request that are still to be made: a create is open, nobody cancelled it, and it is not being undone. Oldest first. */
export async function serversToPlace(db: Db, reservationId: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('servers')
    .innerJoin('tasks', 'tasks.id', 'servers.task_id')
    .select('servers.id')
    .where('servers.reservation_id', '=', reservationId)
    .where('servers.deleted_at', 'is', null)
    .where('tasks.action', '=', 'create')
    .where('tasks.finished_at', 'is', null)
    .where('tasks.cancelled_by', 'is', null)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('journal')
            .select('journal.task_id')
            .whereRef('journal.task_id', '=', 'tasks.id')
            .where('journal.event', '=', 'failed'),
        ),
      ),
    )
    .orderBy('servers.number')
    .execute()
  return rows.map(({ id }) => id)
}

export async function reservationOf(db: Db, serverId: string): Promise<string | undefined> {
  const row = await db.selectFrom('servers').select('reservation_id').where('id', '=', serverId).executeTakeFirst()
  return row?.reservation_id
}
