/** What the usage audits of hosts found in the last period that was over, now or before a moment. */
import { COMPUTE, allServices } from '../../db/services.ts'
import { auditsOf, type UsageAudit } from '../../db/usage-audits.ts'
import { lastCompleted, readAuditPeriod, type Span } from '../../domain/audit-period.ts'
import type { Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { get } from '../resource.ts'

interface Found {
  readonly span: Span
  readonly hosts: readonly string[]
  readonly audits: readonly UsageAudit[]
}

async function read({ db, config }: Ctx, before: number): Promise<Found> {
  const period = readAuditPeriod(config.DEFAULT.instance_usage_audit_period)
  if (!period) throw new Error('the configuration has no audit period')
  const span = lastCompleted(period, before)
  const hosts = (await allServices(db)).filter(({ binary }) => binary === COMPUTE).map(({ host }) => host)
  return { span, hosts, audits: await auditsOf(db, span) }
}

/** `YYYY-MM-DD hh:mm:ss`, perhaps with a fraction. Errors: 400. */
function moment(text: string): number {
  const ms = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?$/.test(text)
    ? Date.parse(`${text.replace(' ', 'T')}Z`)
    : Number.NaN
  if (Number.isNaN(ms)) throw badRequest(`Invalid timestamp for date ${text}`)
  return ms
}

const time = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
const shown = ({ span, hosts, audits }: Found) => {
  const sum = (of: (audit: UsageAudit) => number) => audits.reduce((total, audit) => total + of(audit), 0)
  const seen = new Set(audits.map(({ host }) => host))
  const done = audits.filter(({ state }) => state === 'DONE').length
  const missing = hosts.filter((host) => !seen.has(host))
  const errors = sum((audit) => audit.errors)
  return {
    period_beginning: time(span.begin),
    period_ending: time(span.end),
    num_hosts: hosts.length,
    num_hosts_done: done,
    num_hosts_running: audits.length - done,
    num_hosts_not_run: missing.length,
    hosts_not_run: missing,
    total_instances: sum(({ servers }) => servers),
    total_errors: errors,
    overall_status: `${done === hosts.length ? 'ALL' : `${done} of ${hosts.length}`} hosts done. ${errors} errors.`,
    log: Object.fromEntries(
      audits.map(({ host, state, servers, errors: failed, message }) => [
        host,
        { state, instances: servers, errors: failed, message },
      ]),
    ),
  }
}

const path = '/os-instance_usage_audit_log'

export const usageAuditLog = [
  get(path, {
    policy: 'os_compute_api:os-instance-usage-audit-log:list',
    run: (ctx) => read(ctx, ctx.clock.now()),
    view: (found) => ({ instance_usage_audit_logs: shown(found) }),
  }),
  get(`${path}/:before`, {
    policy: 'os_compute_api:os-instance-usage-audit-log:show',
    run: (ctx) => read(ctx, moment(ctx.params['before'] ?? '')),
    view: (found) => ({ instance_usage_audit_log: shown(found) }),
  }),
]
