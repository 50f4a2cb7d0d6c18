/** Limits: what a project may have at most, and what it has. */
import { z } from 'zod'
import { quotaLimits, quotaUsage, type QuotaLimits } from '../../db/quotas.ts'
import type { Ctx } from '../context.ts'
import { once, query } from '../fields.ts'
import { before, get, view } from '../resource.ts'

interface Limits {
  readonly limits: QuotaLimits
  readonly used: QuotaLimits
}

const absolute = view<Limits>({
  maxTotalInstances: ({ limits }) => limits.instances,
  maxTotalCores: ({ limits }) => limits.cores,
  maxTotalRAMSize: ({ limits }) => limits.ram,
  maxTotalKeypairs: ({ limits }) => limits.key_pairs,
  maxServerMeta: ({ limits }) => limits.metadata_items,
  maxImageMeta: before('2.39', ({ limits }) => limits.metadata_items),
  maxServerGroups: ({ limits }) => limits.server_groups,
  maxServerGroupMembers: ({ limits }) => limits.server_group_members,
  maxPersonality: before('2.57', ({ limits }) => limits.injected_files),
  maxPersonalitySize: before('2.57', ({ limits }) => limits.injected_file_content_bytes),
  maxTotalFloatingIps: before('2.36', ({ limits }) => limits.floating_ips),
  maxSecurityGroups: before('2.36', ({ limits }) => limits.security_groups),
  maxSecurityGroupRules: before('2.36', ({ limits }) => limits.security_group_rules),
  totalInstancesUsed: ({ used }) => used.instances,
  totalCoresUsed: ({ used }) => used.cores,
  totalRAMUsed: ({ used }) => used.ram,
  totalServerGroupsUsed: ({ used }) => used.server_groups,
  totalFloatingIpsUsed: before('2.36', ({ used }) => used.floating_ips),
  totalSecurityGroupsUsed: before('2.36', ({ used }) => used.security_groups),
})

async function read({ db, caller, config, check }: Ctx, asked: string | undefined): Promise<Limits> {
  const projectId = asked ?? caller.projectId
  if (projectId !== caller.projectId) check('os_compute_api:limits:other_project', { projectId })
  return {
    limits: await quotaLimits(db, projectId, config.quota),
    used: await quotaUsage(db, projectId),
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
