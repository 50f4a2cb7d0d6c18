/** What a console proxy does again and again: it cuts off whose leave has ended, and forgets tokens that are good for nothing any more. */
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import { removeDeadConsoleTokens, stillThere } from '../db/console-tokens.ts'
import type { Db } from '../db/database.ts'
import type { Sessions } from './sessions.ts'

export interface ExpireLeave {
  readonly db: Db
  readonly sessions: Sessions
  /** `[consoleauth] enforce_session_timeout`: an open console ends with its token's time. */
  readonly endWithToken: boolean
  readonly clock: Clock
  readonly log: Log
}

/** A guest that is gone has cut them off already; this is for those whose host is out of reach. */
export async function cutOff({ db, sessions, endWithToken, clock, log }: ExpireLeave): Promise<void> {
  const open = sessions.all().map((session) => ({ ...session.leave, session }))
  const kept = new Set(await stillThere(db, open))
  for (const each of open) {
    const late = endWithToken && each.expiresAt <= clock.now()
    if (kept.has(each) && !late) continue
    log.info('console cut off', { server: each.serverId, console: each.kind, late })
    each.session.end(late ? 'the time of this console is over' : 'the server is gone from here')
  }
}

export async function forgetTokens({ db, clock, log }: ExpireLeave): Promise<void> {
  const count = await removeDeadConsoleTokens(db, clock.now())
  if (count > 0) log.debug('console tokens forgotten', { count })
}
