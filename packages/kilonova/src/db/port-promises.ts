/** Users' own ports that servers under construction were promised: no second server may be. */
import type { Db } from './database.ts'

/** The first of these ports that a create under way will bind. Ask under the project's guard. */
export async function promisedPort(db: Db, portIds: readonly string[]): Promise<string | undefined> {
  if (portIds.length === 0) return undefined
  const rows = await db
    .selectFrom('tasks')
    .innerJoin('servers', 'servers.id', 'tasks.server_id')
    .select('servers.requested_nics')
    .where('tasks.finished_at', 'is', null)
    .where('tasks.action', '=', 'create')
    .where('servers.requested_nics', 'like', '%"portId"%')
    .execute()
  const promised = new Set(
    rows.flatMap((row) =>
      (JSON.parse(row.requested_nics) as readonly { portId?: string }[]).map(({ portId }) => portId),
    ),
  )
  return portIds.find((id) => promised.has(id))
}
