/** For tests: a conductor as far as requests wait for it. Interfaces are attached at once, on the port that is named or a new one. */
import { attachBody } from '../../actions/attach-interface.ts'
import { setFault } from '../../db/server-columns.ts'
import { findServer, transition } from '../../db/servers.ts'
import { appendJournal, findTask, finishTask } from '../../db/tasks.ts'
import type { ServerFault } from '../../domain/server.ts'
import { SERVER_EVENT, TASK_ADMITTED } from '../../rpc/conductor.ts'
import { portOf, type Cloud } from './cloud.ts'

export function attaches(
  it: Cloud,
  /** Why the next one fails. */
  fault?: () => Pick<ServerFault, 'code' | 'message'> | undefined,
): void {
  const { db, bus, clock } = it

  async function run(taskId: string): Promise<void> {
    const task = await findTask(db, taskId)
    const server = task && (await findServer(db, task.server_id))
    if (!server || task.action !== 'attachInterface') return
    const now = clock.now()
    const failed = fault?.()
    if (failed) await setFault(db, server.id, { details: '', createdAt: now, ...failed })
    else {
      const { portId, networkId } = attachBody.parse(JSON.parse(task.body))
      const port = (portId === undefined ? undefined : it.ports.get(portId)) ?? portOf({ networkId })
      it.ports.set(port.id, { ...port, deviceId: server.id, deviceOwner: 'compute:nova', status: 'ACTIVE' })
      await appendJournal(db, taskId, 0, [{ event: 'done', step: 'port', data: { portId: port.id }, host: null }], now)
    }
    await finishTask(db, taskId, failed ? 'undone' : 'succeeded', null, now)
    await transition(db, server, { taskState: null, taskId: null }, now)
    bus.publish(SERVER_EVENT, { serverId: server.id })
  }

  const runs: Promise<void>[] = []
  const unsubscribe = bus.subscribe(TASK_ADMITTED, (event) => runs.push(run((event as { taskId: string }).taskId)))
  it.standIns.push(() => {
    unsubscribe()
    return Promise.all(runs)
  })
}
