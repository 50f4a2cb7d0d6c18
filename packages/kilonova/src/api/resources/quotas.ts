/** Quotas: what a project, or one of its users, may have at most, and what they have. Upstream: nova/api/openstack/compute/quota_sets.py. */
import { z } from 'zod'
import { atomically, type Db } from '../../db/database.ts'
import { lockGuards } from '../../db/guards.ts'
import {
  bothLimits,
  defaultLimits,
  forgetQuotas,
  givenToUsers,
  projectGuard,
  quotaLimits,
  quotaUsage,
  setQuota,
  setUserQuota,
  userLimits,
  type QuotaLimits,
  type QuotaResource,
} from '../../db/quotas.ts'
import type { Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { boolean, once, query } from '../fields.ts'
import { get, put, remove, view, wrapped } from '../resource.ts'
import { GROUPS, limitFields, limitOf, settable, settings, type Asked } from './quota-fields.ts'

interface Limits {
  readonly id?: string
  readonly limits: QuotaLimits
}
interface Detailed extends Limits {
  readonly used: QuotaLimits
}

const NO_ADDRESSES = '2.36'
const groupFields = <T>(of: (value: T, resource: QuotaResource) => unknown) =>
  Object.fromEntries(GROUPS.map((name) => [name, (value: T) => of(value, name)]))
const id = ({ id: project }: Limits) => project
const limit = ({ limits }: Limits, resource: QuotaResource) => limitOf(limits, resource)
const detail = ({ limits, used }: Detailed, resource: QuotaResource) => ({
  in_use: used[resource],
  limit: limits[resource],
  reserved: 0,
})
const shown = wrapped('quota_set', view<Limits>({ id, ...limitFields(NO_ADDRESSES, limit), ...groupFields(limit) }))
const shownDetailed = wrapped(
  'quota_set',
  view<Detailed>({ id, ...limitFields(NO_ADDRESSES, detail), ...groupFields(detail) }),
)

const projectOf = ({ params }: Ctx): string => params['id'] ?? ''
const target = async (ctx: Ctx) => ({ projectId: projectOf(ctx) })

/** Errors: 400 when the identity service knows of no such project. */
async function known({ keystone, caller }: Ctx, id: string): Promise<string> {
  if (id !== caller.projectId && !(await keystone.projectExists(id, caller.token)))
    throw badRequest(`Project ID ${id} is not a valid project.`)
  return id
}

const limitsOf = (db: Db, { config: { quota } }: Ctx, projectId: string, userId: string | undefined) =>
  userId === undefined ? quotaLimits(db, projectId, quota) : userLimits(db, projectId, userId, quota)

const UNLIMITED = -1
const amount = (value: number): number => (value === UNLIMITED ? Infinity : value)
/** Of a project: what it uses and what its users were given. Of a user: what they use, and what the project has left. */
async function bounds(tx: Db, ctx: Ctx, projectId: string, userId: string | undefined) {
  const used = await quotaUsage(tx, projectId, userId)
  const given = await givenToUsers(tx, projectId)
  const { project: ofProject, own } = await bothLimits(tx, { projectId, userId }, ctx.config.quota)
  return (resource: QuotaResource): { readonly least: number; readonly most: number } => {
    const [limit, users] = [ofProject[resource], given[resource] ?? 0]
    const left = limit - users
    if (userId === undefined)
      return { least: Math.max(limit === UNLIMITED || left < 0 ? UNLIMITED : users, used[resource]), most: UNLIMITED }
    const mine = own[resource] ?? 0
    const open = limit === UNLIMITED || left < 0 || mine === UNLIMITED
    return { least: used[resource], most: open ? UNLIMITED : left + mine }
  }
}

function withinBounds(
  resource: QuotaResource,
  value: number,
  { least, most }: { readonly least: number; readonly most: number },
): void {
  if (amount(value) < amount(least))
    throw badRequest(
      `Quota limit ${value} for ${resource} must be greater than or equal to already used and reserved ${least}.`,
    )
  if (amount(value) > amount(most))
    throw badRequest(`Quota limit ${value} for ${resource} must be less than or equal to ${most}.`)
}

/** All or none. Whoever admits servers holds the same guard, so what is counted here cannot grow meanwhile. */
async function update(
  ctx: Ctx,
  { force = false, ...asked }: Asked & { readonly force?: boolean | undefined },
  userId: string | undefined,
): Promise<Limits> {
  const projectId = await known(ctx, projectOf(ctx))
  return atomically(ctx.db, async (tx) => {
    await lockGuards(tx, [projectGuard(projectId)])
    const boundsOf = await bounds(tx, ctx, projectId, userId)
    if (!force) for (const [resource, value] of settings(asked)) withinBounds(resource, value, boundsOf(resource))
    for (const [resource, value] of settings(asked))
      if (userId === undefined) await setQuota(tx, projectId, resource, value)
      else await setUserQuota(tx, projectId, userId, resource, value)
    return { limits: await limitsOf(tx, ctx, projectId, userId) }
  })
}

const ofOneUser = query({ user_id: once(z.string()) })
const path = '/os-quota-sets/:id'

export const quotas = [
  get(path, {
    policy: 'os_compute_api:os-quota-sets:show',
    query: ofOneUser,
    target,
    run: async (ctx, { query: { user_id: userId } }) => {
      const projectId = await known(ctx, projectOf(ctx))
      return { id: projectId, limits: await limitsOf(ctx.db, ctx, projectId, userId) }
    },
    view: shown,
  }),
  get(`${path}/detail`, {
    policy: 'os_compute_api:os-quota-sets:detail',
    query: ofOneUser,
    target,
    run: async (ctx, { query: { user_id: userId } }) => {
      const projectId = await known(ctx, projectOf(ctx))
      const limits = await limitsOf(ctx.db, ctx, projectId, userId)
      return { id: projectId, limits, used: await quotaUsage(ctx.db, projectId, userId) }
    },
    view: shownDetailed,
  }),
  get(`${path}/defaults`, {
    policy: 'os_compute_api:os-quota-sets:defaults',
    target,
    run: async (ctx) => {
      const projectId = await known(ctx, projectOf(ctx))
      return { id: projectId, limits: await defaultLimits(ctx.db, ctx.config.quota) }
    },
    view: shown,
  }),
  put(path, {
    policy: 'os_compute_api:os-quota-sets:update',
    body: settable('quota_set', NO_ADDRESSES, { force: boolean.optional() }),
    query: ofOneUser,
    target,
    run: (ctx, { body, query: { user_id: userId } }) => update(ctx, body.quota_set, userId),
    view: shown,
  }),
  remove(path, {
    policy: 'os_compute_api:os-quota-sets:delete',
    status: 202,
    query: ofOneUser,
    target,
    run: (ctx, { query: { user_id: userId } }) =>
      atomically(ctx.db, async (tx) => {
        await lockGuards(tx, [projectGuard(projectOf(ctx))])
        await forgetQuotas(tx, projectOf(ctx), userId)
      }),
  }),
]
