/** What the conductor's repeated tasks share: actions are admitted as any other, so none comes between a server and a task that runs. */
import { newRequestId } from '@kilonova/base/context.ts'
import type { Log } from '@kilonova/base/log.ts'
import { admit, type Admission, type Caller } from '../../actions/admit.ts'
import type { ServerAction } from '../../actions/define.ts'
import { isNovaError } from '../../domain/errors.ts'

export interface PeriodicReach extends Admission {
  readonly log: Log
}

/** In nobody's name: what the operator's configuration asks for. */
export const nobody = (): Caller => ({ requestId: newRequestId(), userId: '', projectId: '', isAdmin: true })

/** Why it was refused; undefined: it was admitted. A server that has a task, moved or is gone is left alone. */
export async function tryAdmit(
  reach: PeriodicReach,
  caller: Caller,
  action: ServerAction,
  serverId: string,
  body: unknown,
): Promise<string | undefined> {
  try {
    await admit(reach, caller, action, serverId, body)
    return undefined
  } catch (error) {
    if (isNovaError(error) && (error.kind === 'conflict' || error.kind === 'notFound')) return error.message
    throw error
  }
}
