/** Admission: one transaction decides, moves the server, and leaves a task. Two requests cannot both win; a crash leaves a row. */
import { newId, type Clock } from '@kilonova/base/clock.ts'
import type { Kysely } from 'kysely'
import { atomically, type Db } from '../db/database.ts'
import { lockGuards } from '../db/guards.ts'
import { promisedPort } from '../db/port-promises.ts'
import { findServerGroup, groupGuard, membersOf } from '../db/server-groups.ts'
import { nearestLimits, projectGuard, type QuotaDefaults } from '../db/quotas.ts'
import { findServer, insertServer, transition, type NewServer } from '../db/servers.ts'
import { cancelTask, findTask, insertTask } from '../db/tasks.ts'
import type { Tables } from '../db/tables.ts'
import { NovaError } from '../domain/errors.ts'
import type { Server } from '../domain/server.ts'
import type { Bus } from '../rpc/bus.ts'
import { TASK_ADMITTED, TASK_CANCELLED } from '../rpc/conductor.ts'
import type { Admitted } from '../task/action.ts'
import { denied } from '../task/denied.ts'
import { create, type CreateBody } from './create.ts'
import type { ServerAction } from './define.ts'
import { deleteServer } from './delete.ts'
import { quotaAllows, type Amounts } from './quota.ts'

export interface Caller {
  readonly userId: string
  readonly projectId: string
  readonly requestId: string
  readonly isAdmin: boolean
}
export interface Admission {
  readonly db: Kysely<Tables>
  readonly bus: Bus
  readonly clock: Clock
}
const standing = ({ vmState, taskState, powerState }: Admitted): Admitted => ({ vmState, taskState, powerState })

/**
 * All of them or none; the limits are those that operators set, `defaults` where they set none. Errors: NovaError TooManyInstances, TooManyGroupMembers, UnknownServerGroup,
 * PortInUse; then nothing was written.
 */
export async function admitCreate(
  { db, bus, clock }: Admission,
  caller: Caller,
  servers: readonly NewServer[],
  body: CreateBody,
  defaults: QuotaDefaults,
): Promise<void> {
  const now = clock.now()
  const [first] = servers
  if (!first) return
  const tasks = servers.map((server) => ({ server, id: newId() }))
  await atomically(db, async (tx) => {
    const { groupId = null } = first
    await lockGuards(tx, [projectGuard(first.projectId), ...(groupId === null ? [] : [groupGuard(groupId)])])
    if (groupId !== null) {
      const { server_group_members: most } = await nearestLimits(tx, first, defaults)
      await groupHasRoom(tx, groupId, servers.length, most)
    }
    await quotaAllows(tx, first, sumOf(servers), defaults)
    const port = await promisedPort(
      tx,
      servers.flatMap(({ requestedNics }) => requestedNics.flatMap(({ portId }) => portId ?? [])),
    )
    if (port !== undefined) throw new NovaError('PortInUse', { id: port })
    for (const { server, id } of tasks) {
      await insertServer(tx, server, id)
      await insertTask(
        tx,
        {
          id,
          action: create.name,
          serverId: server.id,
          ...caller,
          body: { ...body, together: servers.length > 1 },
          admitted: standing(server),
          afterTaskId: null,
        },
        now,
      )
    }
  })
  for (const { id } of tasks) bus.publish(TASK_ADMITTED, { taskId: id })
}

async function groupHasRoom(tx: Db, groupId: string, more: number, allowed: number): Promise<void> {
  if (!(await findServerGroup(tx, groupId))) throw new NovaError('UnknownServerGroup', { id: groupId })
  const members = (await membersOf(tx, [groupId])).get(groupId)?.length ?? 0
  if (allowed >= 0 && members + more > allowed) throw new NovaError('TooManyGroupMembers', {})
}

const sumOf = (servers: readonly NewServer[]): Amounts => ({
  instances: servers.length,
  cores: servers.reduce((total, { flavor }) => total + flavor.vcpus, 0),
  ram: servers.reduce((total, { flavor }) => total + flavor.memoryMb, 0),
})

/**
 * `quota`: the limits where operators set none, for actions that take of it. Errors: NovaError InstanceNotFound, InstanceIsLocked,
 * InstanceInvalidState, InstanceNotReady, TooManyInstances; then nothing was written. Answers with the task's id; '' where what is asked for is under way.
 */
export async function admit(
  { db, bus, clock }: Admission,
  caller: Caller,
  action: ServerAction,
  serverId: string,
  body: unknown,
  quota?: QuotaDefaults,
): Promise<string> {
  const id = newId()
  const begun = await decided(db, clock.now(), action, caller, serverId, id, body, quota)
  if (!begun) return ''
  for (const taskId of begun.cancelled) bus.publish(TASK_CANCELLED, { taskId, by: action.name })
  bus.publish(TASK_ADMITTED, { taskId: id })
  return id
}

/** Somebody else moved the server between our look and our write; it happens only where readers do not lock (PostgreSQL). */
class MovedError extends Error {}
const LOOKS = 10

async function decided(
  ...[db, now, action, caller, serverId, id, body, quota]: Parameters<typeof decide>
): Promise<{ readonly cancelled: readonly string[] } | undefined> {
  for (let look = 1; ; look++)
    try {
      return await decide(db, now, action, caller, serverId, id, body, quota)
    } catch (error) {
      if (!(error instanceof MovedError)) throw error
      if (look === LOOKS)
        throw new NovaError('InstanceInvalidState', {
          id: serverId,
          action: action.shownAs.action,
          attr: 'task_state',
          state: 'changing',
        })
    }
}

const decide = (
  db: Kysely<Tables>,
  now: number,
  action: ServerAction,
  caller: Caller,
  serverId: string,
  id: string,
  body: unknown,
  quota: QuotaDefaults | undefined,
) =>
  atomically(db, async (tx) => {
    const server = await findServer(tx, serverId)
    if (!server) throw new NovaError('InstanceNotFound', { id: serverId })
    const problem = denied(action.shownAs.action, action, server, caller.isAdmin)
    if (problem) throw problem
    if (action.repeatable && isUnderWay(action, server)) return undefined
    if (action.takes && quota) {
      await lockGuards(tx, [projectGuard(server.projectId)])
      await quotaAllows(tx, server, action.takes(server), quota)
    }
    const cancelled = server.taskId
    await insertTask(
      tx,
      {
        id,
        action: action.name,
        serverId,
        ...caller,
        projectId: server.projectId,
        body,
        admitted: settled(server),
        afterTaskId: cancelled,
      },
      now,
    )
    const before = cancelled === null ? [] : await tasksBefore(tx, cancelled, action.removesAll === true)
    for (const taskId of before) await cancelTask(tx, taskId, action.name, now)
    if (!(await transition(tx, server, { taskState: action.taskState, taskId: id }, now))) throw new MovedError()
    return { cancelled: before }
  })

/** What is being removed for good need not be asked for again, in whatever words. */
const isUnderWay = ({ taskState }: ServerAction, server: Server): boolean =>
  server.taskState === taskState || server.taskState === deleteServer.taskState

/** The task to cancel. One that removes all that others left waits for none of those that this one waits for, either. */
async function tasksBefore(tx: Db, taskId: string, all: boolean): Promise<readonly string[]> {
  const ids = [taskId]
  for (let earlier = all ? (await findTask(tx, taskId))?.after_task_id : null; earlier;) {
    const task = await findTask(tx, earlier)
    if (task?.finished_at === null) ids.push(earlier)
    earlier = task?.after_task_id
  }
  return ids
}

/** What undo goes back to: never the task state of another task, which will be over by then. */
const settled = (server: Server): Admitted => ({ ...standing(server), taskState: null })
