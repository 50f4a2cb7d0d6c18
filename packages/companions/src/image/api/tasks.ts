/** `/v2/tasks` for administrators, `/v2/images/{id}/tasks` for who sees the image: what became of imports. */
import { isoSeconds } from '@kilonova/base/clock.ts'
import type { FastifyInstance } from 'fastify'
import { badRequest, forbidden, notFound } from '../../openstack/fault.ts'
import { last, limitOf, type Query } from '../../openstack/page.ts'
import { withCaller } from '../../openstack/token-check.ts'
import type { Caller } from '../../openstack/caller.ts'
import { visibleImage, type ImageContext } from '../context.ts'
import { findTask, listTasks, tasksOf, type Task } from '../store/tasks.ts'

const DEFAULT_LIMIT = 25
const MAX_LIMIT = 1000
const STATUSES: readonly string[] = ['pending', 'processing', 'success', 'failure']

const stub = (task: Task) => ({
  id: task.id,
  type: task.type,
  status: task.status,
  owner: task.owner,
  created_at: isoSeconds(task.created_at),
  updated_at: isoSeconds(task.updated_at),
  ...(task.expires_at === null ? {} : { expires_at: isoSeconds(task.expires_at) }),
  self: `/v2/tasks/${task.id}`,
  schema: '/v2/schemas/task',
})

const full = (task: Task) => ({
  ...stub(task),
  image_id: task.image_id,
  user_id: task.user_id,
  request_id: task.request_id,
  input: JSON.parse(task.input) as unknown,
  message: task.message,
  result: task.status === 'success' ? { image_id: task.image_id } : null,
})

function mustBeAdmin(caller: Caller): void {
  if (!caller.admin) throw forbidden('You are not authorized to complete tasks_api_access action.')
}

export function taskRoutes(app: FastifyInstance, ctx: ImageContext): void {
  const { kysely } = ctx.database

  app.get(
    '/v2/images/:id/tasks',
    withCaller(ctx.check, async (caller, request) => {
      const { id } = request.params as { id: string }
      await visibleImage(ctx, caller, id)
      return { tasks: (await tasksOf(kysely, id)).map(full) }
    }),
  )

  app.get(
    '/v2/tasks/:id',
    withCaller(ctx.check, async (caller, request) => {
      mustBeAdmin(caller)
      const { id } = request.params as { id: string }
      const task = await findTask(kysely, id)
      if (!task) throw notFound(`No task found with ID ${id}`)
      return full(task)
    }),
  )

  app.get(
    '/v2/tasks',
    withCaller(ctx.check, async (caller, request) => {
      mustBeAdmin(caller)
      const query = request.query as Query
      const status = last(query, 'status')
      if (status !== undefined && !STATUSES.includes(status)) throw badRequest(`Invalid status value: ${status}`)
      const markerId = last(query, 'marker')
      const marker = markerId === undefined ? undefined : await findTask(kysely, markerId)
      if (markerId !== undefined && !marker) throw badRequest(`Marker ${markerId} could not be found.`)
      const limit = limitOf(query, MAX_LIMIT) ?? DEFAULT_LIMIT
      const tasks = await listTasks(kysely, { status, type: last(query, 'type'), limit, marker })
      const end = tasks.at(-1)
      const more = end && tasks.length === limit ? { next: `/v2/tasks?limit=${limit}&marker=${end.id}` } : {}
      return { tasks: tasks.map(stub), first: '/v2/tasks', ...more, schema: '/v2/schemas/tasks' }
    }),
  )
}
