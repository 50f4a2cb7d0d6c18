/**
 * Waits for a delete to end, for a moment. A server without a host is gone at once upstream, and clients that wait for the delete of a
 * failed one take the status ERROR that it still shows for the delete's own failure.
 */
import { findServer } from '../db/servers.ts'
import { SERVER_EVENT } from '../rpc/conductor.ts'
import type { ApiReach } from './context.ts'

const PATIENCE_MS = 1_000

/** Begins to listen when called. Resolves when the server is gone, or when it took too long: then the delete just goes on. */
export async function untilGone({ bus, db }: Pick<ApiReach, 'bus' | 'db'>, serverId: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const look = async (): Promise<void> => {
    if (!(await findServer(db, serverId))) resolve()
  }
  const stop = bus.subscribe(SERVER_EVENT, (event) => {
    if ((event as { serverId: string }).serverId === serverId) look().catch(() => resolve())
  })
  const timer = setTimeout(resolve, PATIENCE_MS)
  try {
    await promise
  } finally {
    clearTimeout(timer)
    stop()
  }
}
