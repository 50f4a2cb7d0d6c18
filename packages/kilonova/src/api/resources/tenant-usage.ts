/** What projects used of hosts in a span of time: hours, and hours times vCPUs, memory and disk. Counted from the servers' rows when asked. */
import { isoMicros } from '@kilonova/base/clock.ts'
import { z } from 'zod'
import { usedServers, type UsedServer } from '../../db/usage.ts'
import { NovaError } from '../../domain/errors.ts'
import type { At, Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { once, page } from '../fields.ts'
import { get, nextHref } from '../resource.ts'

const HOUR_MS = 3600_000
const FOUR_WEEKS_MS = 28 * 24 * HOUR_MS

interface Span {
  readonly start: number
  readonly end: number
}
interface Used extends UsedServer {
  readonly hours: number
}
interface Usage {
  readonly span: Span
  readonly projectId: string
  readonly servers: readonly Used[]
}
interface Found {
  readonly usages: readonly Usage[]
  readonly detailed: boolean
  readonly next: string | undefined
}

const plain = { start: once(z.string()), end: once(z.string()) }
const detail = { detailed: once(z.string()) }
/** Before 2.40 there were no pages. */
const whole = <Q extends object>(asked: Q) => ({ ...asked, paged: false })
const paged = <Q extends object>(asked: Q) => ({ ...asked, paged: true })
const queries = <S extends z.ZodRawShape>(shape: S) => ({
  '2.1': z.object(shape).transform(whole),
  '2.40': z.object({ ...shape, ...page }).transform(paged),
  '2.75': z.strictObject({ ...shape, ...page }).transform(paged),
})
interface Query {
  readonly paged: boolean
  readonly start?: string | undefined
  readonly end?: string | undefined
  readonly detailed?: string | undefined
  readonly limit?: number | undefined
  readonly marker?: string | undefined
}

const TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?$/
function moment(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const ms = TIME.test(text) ? Date.parse(`${text.replace(' ', 'T')}Z`) : Number.NaN
  if (Number.isNaN(ms)) throw badRequest('Datetime is in invalid format')
  return ms
}

function hoursOf({ launchedAt, terminatedAt }: UsedServer, { start, end }: Span): number {
  const until = Math.min(terminatedAt ?? end, end)
  return Math.max(0, until - Math.max(launchedAt, start)) / HOUR_MS
}

/** Errors: 400 for times, MarkerNotFound. */
async function usages({ db, clock, config }: Ctx, query: Query, projectId?: string): Promise<Found> {
  const now = clock.now()
  const span = { start: moment(query.start, now - FOUR_WEEKS_MS), end: moment(query.end, now) }
  if (span.start >= span.end) throw badRequest('Invalid start time. The start time cannot occur after the end time.')
  const { marker } = query
  const limit = Math.min(query.limit ?? 0, config.api.max_limit) || config.api.max_limit
  const servers = await usedServers(db, {
    ...span,
    ...(projectId === undefined ? {} : { projectId }),
    ...(query.paged ? { limit } : {}),
    ...(query.paged && marker !== undefined ? { marker } : {}),
  })
  if (!servers) throw new NovaError('MarkerNotFound', { marker: marker ?? '' })
  const byProject = Map.groupBy(servers, (server) => server.projectId)
  return {
    usages: [...byProject].map(([id, theirs]) => ({
      span,
      projectId: id,
      servers: theirs.map((server) => ({ ...server, hours: hoursOf(server, span) })),
    })),
    detailed: query.detailed === '1',
    next: query.paged && servers.length >= limit ? servers.at(-1)?.id : undefined,
  }
}

const time = (ms: number): string => isoMicros(ms)
const serverUsage = (server: Used, { end }: Span) => {
  const { id, name, hours, projectId, flavor, launchedAt, terminatedAt, vmState } = server
  return {
    instance_id: id,
    name,
    hours,
    memory_mb: flavor.memoryMb,
    local_gb: flavor.rootGb + flavor.ephemeralGb,
    vcpus: flavor.vcpus,
    tenant_id: projectId,
    flavor: flavor.name,
    started_at: time(launchedAt),
    ended_at: terminatedAt === null ? null : time(terminatedAt),
    state: terminatedAt === null ? vmState : 'terminated',
    uptime: Math.floor(((terminatedAt ?? end) - launchedAt) / 1000),
  }
}
function shown({ span, projectId, servers }: Usage, detailed: boolean) {
  const sum = (of: (server: Used) => number) => servers.reduce((total, server) => total + of(server) * server.hours, 0)
  return {
    tenant_id: projectId,
    start: time(span.start),
    stop: time(span.end),
    total_hours: sum(() => 1),
    total_vcpus_usage: sum(({ flavor }) => flavor.vcpus),
    total_memory_mb_usage: sum(({ flavor }) => flavor.memoryMb),
    total_local_gb_usage: sum(({ flavor }) => flavor.rootGb + flavor.ephemeralGb),
    ...(detailed ? { server_usages: servers.map((server) => serverUsage(server, span)) } : {}),
  }
}
const links = (key: string, { next }: Found, at: At) =>
  next === undefined ? {} : { [key]: [{ rel: 'next', href: nextHref(at, next) }] }

const projectOf = ({ params }: Ctx): string => params['id'] ?? ''

export const tenantUsage = [
  get('/os-simple-tenant-usage', {
    policy: 'os_compute_api:os-simple-tenant-usage:list',
    query: queries({ ...plain, ...detail }),
    run: (ctx, { query }) => usages(ctx, query),
    view: (found, at) => ({
      tenant_usages: found.usages.map((usage) => shown(usage, found.detailed)),
      ...links('tenant_usages_links', found, at),
    }),
  }),
  get('/os-simple-tenant-usage/:id', {
    policy: 'os_compute_api:os-simple-tenant-usage:show',
    query: queries(plain),
    target: async (ctx) => ({ projectId: projectOf(ctx) }),
    run: (ctx, { query }) => usages(ctx, query, projectOf(ctx)),
    view: (found, at) => ({
      tenant_usage: found.usages[0] ? shown(found.usages[0], true) : {},
      ...links('tenant_usage_links', found, at),
    }),
  }),
]
