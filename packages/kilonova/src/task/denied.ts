/** May this be done to the server now? Pure and total: the answer is undefined (yes) or the reason it may not. */
import type { Server } from '../domain/server.ts'
import { NovaError } from '../domain/errors.ts'
import type { Spec } from './action.ts'

type Asked = Pick<Spec<unknown>, 'when' | 'duringTask'>

export function denied(
  name: string,
  { when }: Asked,
  server: Pick<Server, 'id' | 'vmState' | 'taskState' | 'locked' | 'host'>,
  isAdmin: boolean,
): NovaError | undefined {
  if (server.locked && !isAdmin && !when.allowLocked) return new NovaError('InstanceIsLocked', { id: server.id })
  if (when.vmState !== 'any' && !when.vmState.includes(server.vmState))
    return new NovaError('InstanceInvalidState', {
      id: server.id,
      action: name,
      attr: 'vm_state',
      state: server.vmState,
    })
  const taskStates = when.taskState ?? [null]
  if (taskStates !== 'any' && !taskStates.includes(server.taskState))
    return new NovaError('InstanceInvalidState', {
      id: server.id,
      action: name,
      attr: 'task_state',
      state: String(server.taskState),
    })
  if (when.needsHost && server.host === null) return new NovaError('InstanceNotReady', { id: server.id })
  return undefined
}
