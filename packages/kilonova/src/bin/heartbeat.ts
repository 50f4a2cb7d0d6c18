/** A daemon without a host of its own says that it lives: what `compute service list` shows beside the computes. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import { seen } from '../db/services.ts'
import type { Db } from '../db/database.ts'

export interface Heartbeat {
  readonly db: Db
  readonly binary: 'nova-conductor' | 'nova-scheduler'
  readonly host: string
  readonly everyMs: number
  readonly clock: Clock
  readonly log: Log
}

export async function startHeartbeat({
  db,
  binary,
  host,
  everyMs,
  clock,
  log,
}: Heartbeat): Promise<{ close(): Promise<void> }> {
  const beat = (): Promise<void> =>
    seen(db, binary, host, clock.now()).catch((error: unknown) => log.warn('sign of life not kept', { binary, error }))
  let beating = beat()
  await beating
  const timer = setInterval(() => (beating = beat()), everyMs)
  return {
    close: async () => {
      clearInterval(timer)
      await beating
    },
  }
}
