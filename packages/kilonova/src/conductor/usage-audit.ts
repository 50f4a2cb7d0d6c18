/**
 * `[DEFAULT] instance_usage_audit`: after each period, how many servers every host had in it. Whoever writes a host's row has audited it, so
 * several conductors never do it twice; one that dies in between wrote nothing. Each server is a line of the log, as others notify of it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '@kilonova/base/clock.ts'
import type { Log } from '@kilonova/base/log.ts'
import type { Kysely } from 'kysely'
import { allHosts } from '../db/hosts.ts'
import type { Tables } from '../db/tables.ts'
import { auditHost, auditsOf } from '../db/usage-audits.ts'
import { lastCompleted, type AuditPeriod } from '../domain/audit-period.ts'

export interface UsageAuditReach {
  readonly db: Kysely<Tables>
  readonly clock: Clock
  readonly log: Log
}

const LOOK_MS = 60_000

export async function auditUsage({ db, clock, log }: UsageAuditReach, period: AuditPeriod): Promise<void> {
  const span = lastCompleted(period, clock.now())
  const done = new Set((await auditsOf(db, span)).map(({ host }) => host))
  for (const { host } of await allHosts(db)) {
    if (done.has(host)) continue
    const servers = await auditHost(db, host, span)
    if (!servers) continue
    for (const { id, ...facts } of servers)
      log.info('compute.instance.exists', { server: id, host, from: span.begin, to: span.end, ...facts })
    log.info('instance usage audited', { host, servers: servers.length })
  }
}

export function startUsageAudit(reach: UsageAuditReach, period: AuditPeriod): { close(): Promise<void> } {
  const log = reach.log.in(import.meta)
  const end = new AbortController()
  const beat = async (): Promise<void> => {
    while (!end.signal.aborted) {
      await auditUsage({ ...reach, log }, period).catch((error: unknown) => log.warn('usage not audited', { error }))
      await delay(LOOK_MS, undefined, { signal: end.signal, ref: false }).catch(() => undefined)
    }
  }
  const beating = beat()
  return {
    close: async () => {
      end.abort()
      await beating
    },
  }
}
