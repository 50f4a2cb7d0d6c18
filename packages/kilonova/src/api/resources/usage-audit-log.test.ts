/** The audit log over HTTP, after the conductor's audit and without one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '@kilonova/base/log.ts'
import { auditUsage } from '../../conductor/usage-audit.ts'
import { readAuditPeriod } from '../../domain/audit-period.ts'
import { at, cloud, server, settled } from '../testing/cloud.ts'

const HOUR_MS = 3600_000
const path = '/os-instance_usage_audit_log'
const admin = { as: 'admin' } as const

test('what ran in the last hour is counted once, by whoever is first', async (t) => {
  const it = await cloud(t, { DEFAULT: { instance_usage_audit_period: 'hour' } })
  await settled(it, await server(it))
  await server(it)
  const before = at(await it.call('GET', path, admin), 'instance_usage_audit_logs') as Record<string, unknown>
  assert.deepEqual(
    [before['num_hosts'], before['hosts_not_run'], before['overall_status'], before['log']],
    [1, ['host1'], '0 of 1 hosts done. 0 errors.', {}],
  )
  it.pass(HOUR_MS)
  const period = readAuditPeriod('hour')
  assert.ok(period)
  const reach = { db: it.db, clock: it.clock, log: silentLog }
  await Promise.all([auditUsage(reach, period), auditUsage(reach, period)])
  it.identities.set('admin', {
    ...(it.identities.get('admin') as object),
    expiresAt: it.clock.now() + HOUR_MS,
  } as never)
  const {
    period_beginning: begin,
    period_ending: end,
    ...rest
  } = at(await it.call('GET', path, admin), 'instance_usage_audit_logs') as Record<string, unknown>
  assert.equal(Date.parse(`${String(end)}Z`) - Date.parse(`${String(begin)}Z`), HOUR_MS)
  assert.deepEqual(rest, {
    num_hosts: 1,
    num_hosts_done: 1,
    num_hosts_running: 0,
    num_hosts_not_run: 0,
    hosts_not_run: [],
    total_instances: 1,
    total_errors: 0,
    overall_status: 'ALL hosts done. 0 errors.',
    log: {
      host1: {
        state: 'DONE',
        instances: 1,
        errors: 0,
        message: 'Instance usage audit ran for host host1, 1 instances.',
      },
    },
  })
})

test('the log before a moment is asked for by its date', async (t) => {
  const it = await cloud(t)
  const shown = await it.call('GET', `${path}/${encodeURIComponent('2026-03-05 00:00:00')}`, admin)
  assert.deepEqual(
    ['period_beginning', 'period_ending'].map((key) => at(shown, 'instance_usage_audit_log', key)),
    ['2026-02-01 00:00:00', '2026-03-01 00:00:00'],
  )
  const wrong = await it.call('GET', `${path}/yesterday`, admin)
  assert.deepEqual([wrong.status, at(wrong, 'badRequest', 'message')], [400, 'Invalid timestamp for date yesterday'])
  assert.equal((await it.call('GET', path)).status, 403)
})
