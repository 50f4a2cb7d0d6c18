/** Limits: what a project may have at most, and what it has. */
import { z } from 'zod'
import { quotaLimits, type QuotaLimits } from '../../db/quotas.ts'
import { countServerGroups } from '../../db/server-groups.ts'
import { usedByProject } from '../../db/servers.ts'
import type { Ctx } from '../context.ts'
import { once, query } from '../fields.ts'
import { before, get, view } from '../resource.ts'

interface Limits {
  readonly limits: QuotaLimits
  readonly files: { readonly most: number; readonly bytes: number }
  readonly groups: number
  readonly used: { readonly instances: number; readonly cores: number; readonly ram: number }
}
/** What users could once be limited in and now are not, or not here. */
const unlimited = () => -1
const none = () => 0

const absolute = view<Limits>({
  maxTotalInstances: ({ limits }) => limits.instances,
  maxTotalCores: ({ limits }) => limits.cores,
  maxTotalRAMSize: ({ limits }) => limits.ram,
  maxTotalKeypairs: ({ limits }) => limits.key_pairs,
  maxServerMeta: ({ limits }) => limits.metadata_items,
  maxImageMeta: before('2.39', ({ limits }) => limits.metadata_items),
  maxServerGroups: ({ limits }) => limits.server_groups,
  maxServerGroupMembers: ({ limits }) => limits.server_group_members,
  maxPersonality: before('2.57', ({ files }) => files.most),
  maxPersonalitySize: before('2.57', ({ files }) => files.bytes),
  maxTotalFloatingIps: before('2.36', unlimited),
  maxSecurityGroups: before('2.36', unlimited),
  maxSecurityGroupRules: before('2.36', unlimited),
  totalInstancesUsed: ({ used }) => used.instances,
  totalCoresUsed: ({ used }) => used.cores,
  totalRAMUsed: ({ used }) => used.ram,
  totalServerGroupsUsed: ({ groups }) => groups,
  totalFloatingIpsUsed: before('2.36', none),
  totalSecurityGroupsUsed: before('2.36', none),
})

async function read({ db, caller, config, check }: Ctx, asked: string | undefined): Promise<Limits> {
  const projectId = asked ?? caller.projectId
  if (projectId !== caller.projectId) check('os_compute_api:limits:other_project', { projectId })
  return {
    limits: await quotaLimits(db, projectId, config.quota),
    files: { most: config.quota.injected_files, bytes: config.quota.injected_file_content_bytes },
    used: await usedByProject(db, projectId),
    groups: await countServerGroups(db, projectId),
  }
}

export const limits = [
  get('/limits', {
    policy: 'os_compute_api:limits',
    query: query({ tenant_id: once(z.string()), reserved: once(z.string()) }),
    run: (ctx, { query: { tenant_id: projectId } }) => read(ctx, projectId),
    view: (all, at) => ({ limits: { rate: [], absolute: absolute(all, at) } }),
  }),
]
