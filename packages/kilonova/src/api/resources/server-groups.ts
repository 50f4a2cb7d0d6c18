/** Server groups: servers that are to be on one host, or on different ones. Servers join at their creation, by a scheduler hint. */
import { newId } from '@kilonova/base/clock.ts'
import { z } from 'zod'
import { atomically } from '../../db/database.ts'
import { lockGuards } from '../../db/guards.ts'
import { bothLimits, projectGuard } from '../../db/quotas.ts'
import {
  countServerGroups,
  deleteServerGroup,
  findServerGroup,
  groupGuard,
  insertServerGroup,
  listServerGroups,
  membersOf,
} from '../../db/server-groups.ts'
import { NovaError } from '../../domain/errors.ts'
import { GROUP_POLICIES, type GroupPolicy, type ServerGroup } from '../../domain/server-group.ts'
import type { Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { digits, integer, name, once, query } from '../fields.ts'
import { before, get, post, remove, since, view, wrapped } from '../resource.ts'

interface Shown extends ServerGroup {
  readonly members: readonly string[]
}

const shown = view<Shown>({
  id: ({ id }) => id,
  name: ({ name }) => name,
  policies: before('2.64', ({ policy }) => [policy]),
  policy: since('2.64', ({ policy }) => policy),
  rules: since('2.64', ({ maxPerHost }) => (maxPerHost === null ? {} : { max_server_per_host: maxPerHost })),
  members: ({ members }) => members,
  metadata: before('2.64', () => ({})),
  project_id: since('2.13', ({ projectId }) => projectId),
  user_id: since('2.13', ({ userId }) => userId),
})

const policies = <const P extends readonly [GroupPolicy, ...GroupPolicy[]]>(allowed: P) =>
  z
    .strictObject({ server_group: z.strictObject({ name, policies: z.tuple([z.enum(allowed)]) }) })
    .transform(({ server_group: { name, policies } }) => ({ name, policy: policies[0], rules: {} }))
const bodies = {
  '2.1': policies(['anti-affinity', 'affinity']),
  '2.15': policies(GROUP_POLICIES),
  '2.64': z
    .strictObject({
      server_group: z.strictObject({
        name,
        policy: z.enum(GROUP_POLICIES),
        rules: z.strictObject({ max_server_per_host: integer(1).optional() }).default({}),
      }),
    })
    .transform(({ server_group: group }) => group),
} as const
interface Asked {
  readonly name: string
  readonly policy: GroupPolicy
  readonly rules: { readonly max_server_per_host?: number | undefined }
}

/** Errors: NovaError ServerGroupNotFound. */
async function target({ db, caller, params }: Ctx): Promise<ServerGroup> {
  const id = params['id'] ?? ''
  const group = await findServerGroup(db, id)
  if (!group || (group.projectId !== caller.projectId && !caller.isAdmin))
    throw new NovaError('ServerGroupNotFound', { id })
  return group
}

async function withMembers({ db }: Ctx, groups: readonly ServerGroup[]): Promise<readonly Shown[]> {
  const members = await membersOf(
    db,
    groups.map(({ id }) => id),
  )
  return groups.map((group) => ({ ...group, members: members.get(group.id) ?? [] }))
}

/** Errors: NovaError TooManyServerGroups. */
async function create({ db, caller, config, clock }: Ctx, { name, policy, rules }: Asked): Promise<Shown> {
  const { max_server_per_host: maxPerHost = null } = rules
  if (policy !== 'anti-affinity' && maxPerHost !== null) throw badRequest('Only anti-affinity policy supports rules.')
  const { projectId, userId } = caller
  const group: ServerGroup = { id: newId(), name, projectId, userId, policy, maxPerHost }
  await atomically(db, async (tx) => {
    await lockGuards(tx, [projectGuard(projectId)])
    const { project, own } = await bothLimits(tx, caller, config.quota)
    for (const [limit, user] of [[project.server_groups], [own.server_groups ?? -1, userId]] as const)
      if (limit >= 0 && (await countServerGroups(tx, projectId, user)) >= limit)
        throw new NovaError('TooManyServerGroups', {})
    await insertServerGroup(tx, group, clock.now())
  })
  return { ...group, members: [] }
}

const one = wrapped('server_group', shown)
const path = '/os-server-groups'

export const serverGroups = [
  get(path, {
    policy: 'os_compute_api:os-server-groups:index',
    query: query({ all_projects: once(z.string()), limit: once(digits), offset: once(digits) }),
    run: async (ctx, { query: { all_projects: all, limit, offset } }) => {
      const { db, caller, config } = ctx
      // Whoever may not see all of them sees their own, as upstream has it.
      const everywhere = all !== undefined && ctx.at.allows('os_compute_api:os-server-groups:index:all_projects')
      const most = Math.min(limit ?? 0, config.api.max_limit) || config.api.max_limit
      const page = { limit: most, offset: offset ?? 0 }
      return withMembers(ctx, await listServerGroups(db, everywhere ? undefined : caller.projectId, page))
    },
    view: (groups, at) => ({ server_groups: groups.map((group) => shown(group, at)) }),
  }),
  post(path, {
    policy: 'os_compute_api:os-server-groups:create',
    body: bodies,
    run: (ctx, { body }) => create(ctx, body),
    view: one,
  }),
  get(`${path}/:id`, {
    policy: 'os_compute_api:os-server-groups:show',
    target,
    run: async (ctx, { target: group }) => (await withMembers(ctx, [group]))[0] ?? { ...group, members: [] },
    view: one,
  }),
  remove(`${path}/:id`, {
    policy: 'os_compute_api:os-server-groups:delete',
    status: 204,
    target,
    run: async ({ db }, { target: { id } }) => {
      await atomically(db, async (tx) => {
        await lockGuards(tx, [groupGuard(id)])
        await deleteServerGroup(tx, id)
      })
    },
  }),
]
