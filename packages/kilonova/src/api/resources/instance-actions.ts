/** What was done to a server, by request id, also after it is gone: tasks and their steps under upstream's names. */
import { hash } from 'node:crypto'
import { isoMicros } from '@kilonova/base/clock.ts'
import { z } from 'zod'
import { ACTIONS } from '../../actions/index.ts'
import { AT_ONCE } from './at-once.ts'
import {
  eventsOf,
  findAction,
  listActions,
  type ActionFilter,
  type InstanceAction,
  type InstanceEvent,
} from '../../db/instance-actions.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Server } from '../../domain/server.ts'
import type { Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { moment, page } from '../fields.ts'
import { fullPage, get, pageOf, since, view, wrapped } from '../resource.ts'
import { serverOrDeleted } from './server-target.ts'

interface Shown extends InstanceAction {
  readonly events?: readonly ShownEvent[]
}
interface ShownEvent extends InstanceEvent {
  readonly name: string
  readonly projectId: string
}

const shownAs = (task: string) => ACTIONS[task]?.shownAs ?? { action: task, event: AT_ONCE[task] ?? null }
const time = (ms: number | null): string | null => (ms === null ? null : isoMicros(ms))
const EVENTS = 'os_compute_api:os-instance-actions:events'

const eventView = view<ShownEvent>({
  event: ({ name }) => name,
  start_time: ({ startedAt }) => time(startedAt),
  finish_time: ({ finishedAt }) => time(finishedAt),
  result: ({ result }) => result,
  traceback: ({ reason }, at) => (at.allows(EVENTS) ? reason : undefined),
  host: since('2.62', ({ host }, at) => (at.allows(EVENTS) ? host : undefined)),
  hostId: since('2.62', ({ host, projectId }) => (host === null ? '' : hash('sha224', projectId + host))),
  details: since('2.84', ({ reason }, at) =>
    at.allows('os_compute_api:os-instance-actions:events:details') ? reason : undefined,
  ),
})

const plain = {
  action: ({ task }: Shown) => shownAs(task).action,
  instance_uuid: ({ serverId }: Shown) => serverId,
  request_id: ({ requestId }: Shown) => requestId,
  user_id: ({ userId }: Shown) => userId,
  project_id: ({ projectId }: Shown) => projectId,
  start_time: ({ startedAt }: Shown) => time(startedAt),
  message: ({ result }: Shown) => (result === 'Error' ? 'Error' : null),
  updated_at: since<Shown>('2.58', ({ updatedAt }) => time(updatedAt)),
}
const listed = view<Shown>(plain)
const actionPage = pageOf('instanceActions', listed)
const one = view<Shown>({
  ...plain,
  // Until 2.50 only administrators saw events at all.
  events: ({ events = [] }, at) =>
    at.minor >= 51 || at.allows(EVENTS) ? events.map((event) => eventView(event, at)) : undefined,
})

const paged = { ...page, 'changes-since': moment }
/** Until 2.20 a deleted server was not there for this resource either. */
const living = { livingOnly: true } as const
const queries = {
  '2.1': z.object({}).transform((): Query => living),
  '2.21': z.object({}).transform((): Query => ({})),
  '2.58': z.strictObject(paged),
  '2.66': z.strictObject({ ...paged, 'changes-before': moment }),
} as const
const oneQuery = {
  '2.1': z.object({}).transform((): Query => living),
  '2.21': z.object({}).transform((): Query => ({})),
  '2.102': z.strictObject({}).transform((): Query => ({})),
} as const
interface Query {
  readonly livingOnly?: boolean | undefined
  readonly limit?: number | undefined
  readonly marker?: string | undefined
  readonly 'changes-since'?: number | undefined
  readonly 'changes-before'?: number | undefined
}

/** Errors: InstanceNotFound. */
function thereFor({ livingOnly = false }: Query, { id, deletedAt }: Server): void {
  if (livingOnly && deletedAt !== null) throw new NovaError('InstanceNotFound', { id })
}

async function list({ db, config }: Ctx, server: Server, query: Query) {
  thereFor(query, server)
  const { id: serverId } = server
  const { 'changes-since': changedSince, 'changes-before': changedBefore, marker } = query
  if (changedSince !== undefined && changedBefore !== undefined && changedSince > changedBefore)
    throw badRequest('The value of changes-since must be less than or equal to changes-before.')
  const limit = Math.min(query.limit ?? config.api.max_limit, config.api.max_limit)
  const filter: ActionFilter = {
    limit,
    ...(marker === undefined ? {} : { marker }),
    ...(changedSince === undefined ? {} : { changedSince }),
    ...(changedBefore === undefined ? {} : { changedBefore }),
  }
  const actions: readonly Shown[] | undefined = await listActions(db, serverId, filter)
  if (!actions) throw new NovaError('MarkerNotFound', { marker: marker ?? '' })
  const { next, items } = fullPage(actions, limit, ({ requestId }) => requestId)
  // Nothing was paged before 2.58, and a whole list needs no link.
  return { items, next: query.limit === undefined ? undefined : next }
}

async function show({ db, params }: Ctx, server: Server, query: Query): Promise<Shown> {
  thereFor(query, server)
  const { id: serverId } = server
  const requestId = params['request_id'] ?? ''
  const action = await findAction(db, serverId, requestId)
  if (!action) throw new NovaError('ActionNotFound', { requestId, server: serverId })
  const steps = await eventsOf(db, action.taskId)
  const { projectId } = action
  const host = steps.find((step) => step.host !== null)?.host ?? null
  const { event } = shownAs(action.task)
  const whole = {
    step: '',
    host,
    startedAt: action.startedAt,
    finishedAt: action.finishedAt,
    result: action.result,
    reason: action.reason,
    name: event ?? '',
    projectId,
  }
  return {
    ...action,
    events: [
      ...(event === null ? [] : [whole]),
      ...steps.map((step) => ({ ...step, name: `kilonova:${step.step}`, projectId })),
    ],
  }
}

export const instanceActions = [
  get('/servers/:id/os-instance-actions', {
    policy: 'os_compute_api:os-instance-actions:list',
    query: queries,
    target: serverOrDeleted,
    run: (ctx, { query, target }) => list(ctx, target, query),
    // Upstream calls the links of this list `links`, not `instanceActions_links`.
    view: (found, at) => {
      const { instanceActions, instanceActions_links: links } = actionPage(found, at) as Record<string, unknown>
      return { instanceActions, links }
    },
  }),
  get('/servers/:id/os-instance-actions/:request_id', {
    policy: 'os_compute_api:os-instance-actions:show',
    query: oneQuery,
    target: serverOrDeleted,
    run: (ctx, { query, target }) => show(ctx, target, query),
    view: wrapped('instanceAction', one),
  }),
]
