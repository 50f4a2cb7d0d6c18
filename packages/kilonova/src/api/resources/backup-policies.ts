/** `/kilonova/backup-policies`: an addition of ours. Servers of a project are backed up by the clock, in the name of whoever made the policy. */
import { isoSeconds, newId } from '@kilonova/base/clock.ts'
import { z } from 'zod'
import {
  changeBackupPolicy,
  deleteBackupPolicy,
  findBackupPolicy,
  insertBackupPolicy,
  listBackupPolicies,
} from '../../db/backup-policies.ts'
import { atomically } from '../../db/database.ts'
import { lockGuards } from '../../db/guards.ts'
import { projectGuard } from '../../db/quotas.ts'
import { nextRun, type BackupPolicy } from '../../domain/backup-policy.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Ctx } from '../context.ts'
import { boolean, integer, name, once, tag, uuid } from '../fields.ts'
import { get, post, put, remove, view, wrapped } from '../resource.ts'

const MOST_POLICIES = 100
const MOST_SERVERS = 1_000

const at = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, { error: () => 'must be a time of day in UTC, HH:MM' })
const schedule = z.discriminatedUnion('every', [
  z.strictObject({ every: z.literal('hour'), minute: integer(0, 59).default(0) }),
  z.strictObject({ every: z.literal('day'), at }),
  z.strictObject({ every: z.literal('week'), at, weekday: integer(0, 6) }),
])
const servers = z.union([
  z.strictObject({ ids: z.array(uuid).min(1).max(MOST_SERVERS) }),
  z.strictObject({ tag }),
  z.strictObject({ all: z.literal(true) }),
])
const fields = { name, schedule, rotation: integer(1, 1_000), servers }
const newPolicy = z.strictObject({
  backup_policy: z.strictObject({ ...fields, enabled: boolean.optional() }),
})
const changedPolicy = z.strictObject({
  backup_policy: z.strictObject({ ...fields, enabled: boolean }).partial(),
})

/** Errors: NovaError BackupPolicyNotFound. */
async function target({ db, caller, params }: Ctx): Promise<BackupPolicy> {
  const id = params['id'] ?? ''
  const policy = await findBackupPolicy(db, id)
  if (!policy || (policy.projectId !== caller.projectId && !caller.isAdmin))
    throw new NovaError('BackupPolicyNotFound', { id })
  return policy
}

/** Errors: NovaError TooManyBackupPolicies. */
async function create({ db, caller, clock }: Ctx, asked: z.output<typeof newPolicy>['backup_policy']) {
  const now = clock.now()
  const { projectId, userId } = caller
  const policy: BackupPolicy = {
    id: newId(),
    name: asked.name,
    projectId,
    userId,
    schedule: asked.schedule,
    rotation: asked.rotation,
    servers: asked.servers,
    enabled: asked.enabled ?? true,
    nextRunAt: nextRun(asked.schedule, now),
    lastRun: null,
    createdAt: now,
    updatedAt: now,
  }
  await atomically(db, async (tx) => {
    await lockGuards(tx, [projectGuard(projectId)])
    if ((await listBackupPolicies(tx, projectId)).length >= MOST_POLICIES)
      throw new NovaError('TooManyBackupPolicies', {})
    await insertBackupPolicy(tx, policy)
  })
  return policy
}

/** A policy that is changed or taken up again begins with the next time of its schedule: what it missed is not made up for. */
async function change(
  { db, clock }: Ctx,
  policy: BackupPolicy,
  asked: z.output<typeof changedPolicy>['backup_policy'],
) {
  const now = clock.now()
  const changed: BackupPolicy = {
    ...policy,
    name: asked.name ?? policy.name,
    schedule: asked.schedule ?? policy.schedule,
    rotation: asked.rotation ?? policy.rotation,
    servers: asked.servers ?? policy.servers,
    enabled: asked.enabled ?? policy.enabled,
    nextRunAt: nextRun(asked.schedule ?? policy.schedule, now),
    updatedAt: now,
  }
  await changeBackupPolicy(db, changed)
  return changed
}

const shown = view<BackupPolicy>({
  id: ({ id }) => id,
  name: ({ name }) => name,
  project_id: ({ projectId }) => projectId,
  user_id: ({ userId }) => userId,
  schedule: ({ schedule }) => schedule,
  rotation: ({ rotation }) => rotation,
  servers: ({ servers }) => servers,
  enabled: ({ enabled }) => enabled,
  next_run_at: ({ enabled, nextRunAt }) => (enabled ? isoSeconds(nextRunAt) : null),
  last_run: ({ lastRun }) => lastRun && { ...lastRun, at: isoSeconds(lastRun.at) },
  created_at: ({ createdAt }) => isoSeconds(createdAt),
  updated_at: ({ updatedAt }) => isoSeconds(updatedAt),
})
const one = wrapped('backup_policy', shown)
const path = '/kilonova/backup-policies'

export const backupPolicies = [
  get(path, {
    policy: 'kilonova:backup-policies:index',
    query: z.strictObject({ all_projects: once(boolean) }),
    run: async ({ db, caller, check }, { query: { all_projects: all } }) => {
      if (all) check('kilonova:backup-policies:index:all_projects')
      return listBackupPolicies(db, all ? undefined : caller.projectId)
    },
    view: (policies, here) => ({ backup_policies: policies.map((policy) => shown(policy, here)) }),
  }),
  post(path, {
    policy: 'kilonova:backup-policies:create',
    status: 201,
    body: newPolicy,
    run: (ctx, { body }) => create(ctx, body.backup_policy),
    view: one,
  }),
  get(`${path}/:id`, {
    policy: 'kilonova:backup-policies:show',
    target,
    run: async (_ctx, { target: policy }) => policy,
    view: one,
  }),
  put(`${path}/:id`, {
    policy: 'kilonova:backup-policies:update',
    body: changedPolicy,
    target,
    run: (ctx, { body, target: policy }) => change(ctx, policy, body.backup_policy),
    view: one,
  }),
  remove(`${path}/:id`, {
    policy: 'kilonova:backup-policies:delete',
    status: 204,
    target,
    run: ({ db }, { target: { id } }) => deleteBackupPolicy(db, id),
  }),
]
