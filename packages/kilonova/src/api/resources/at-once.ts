/** Actions that are done before the answer, without a task: what `os-instance-actions` shows of them, and the host that does them. */
import { newId } from '@kilonova/base/clock.ts'
import type { Db } from '../../db/database.ts'
import { insertTask } from '../../db/tasks.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Server } from '../../domain/server.ts'
import { NoAnswerError } from '../../rpc/bus.ts'
import { compute, computeTopic, type ComputeContract } from '../../rpc/compute.ts'
import { client, type Client } from '../../rpc/contract.ts'
import type { Ctx } from '../context.ts'

/** The event that upstream records, by the action's name there. */
export const AT_ONCE: Readonly<Record<string, string>> = {
  lock: 'api_lock',
  unlock: 'api_unlock',
  trigger_crash_dump: 'compute_trigger_crash_dump',
  changePassword: 'compute_set_admin_password',
}

export const record = (
  { caller, clock }: Ctx,
  db: Db,
  action: string,
  { id: serverId, projectId }: Server,
  error: string | null = null,
): Promise<void> => {
  const { userId, requestId } = caller
  const task = { id: newId(), action, serverId, projectId, userId, requestId }
  const ended = { status: error === null ? 'succeeded' : 'undone', error } as const
  return insertTask(db, { ...task, body: null, admitted: null, afterTaskId: null }, clock.now(), ended)
}

const TIMEOUT_MS = 15_000

/** Asks the server's host. Errors: InstanceNotReady without one; HostUnreachable. */
export async function askHost<T>(
  { bus, caller }: Ctx,
  { id, host }: Server,
  ask: (host: Client<ComputeContract>) => Promise<T>,
): Promise<T> {
  if (host === null) throw new NovaError('InstanceNotReady', { id })
  const { requestId, userId, projectId } = caller
  try {
    return await ask(client(compute, bus, computeTopic(host), { requestId, userId, projectId }, TIMEOUT_MS))
  } catch (error) {
    if (error instanceof NoAnswerError) throw new NovaError('HostUnreachable', { host }, { cause: error })
    throw error
  }
}
