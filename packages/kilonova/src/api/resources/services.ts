/** Services: the daemons there are, whether they live, and what operators decided about them. */
import { isoMicros } from '@kilonova/base/clock.ts'
import { z } from 'zod'
import {
  allServices,
  changeService,
  COMPUTE,
  deleteService,
  type Service,
  type ServiceChange,
} from '../../db/services.ts'
import { usedByHost } from '../../db/allocations.ts'
import { lockAggregates } from '../../db/aggregates.ts'
import { atomically } from '../../db/database.ts'
import { lockGuards } from '../../db/guards.ts'
import { listedOn } from '../../db/server-list.ts'
import { isUp } from '../../db/hosts.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Ctx } from '../context.ts'
import { ApiFault, badRequest } from '../faults.ts'
import { boolean, isIdOf, once, query, type IdKind } from '../fields.ts'
import { get, put, remove, since, view } from '../resource.ts'

type Seen = Service & { readonly up: boolean }

const shown = view<Seen>({
  id: ({ id, number }, at) => (at.minor >= 53 ? id : number),
  binary: ({ binary }) => binary,
  host: ({ host }) => host,
  zone: ({ zone }) => zone,
  status: ({ disabled }) => (disabled ? 'disabled' : 'enabled'),
  state: ({ up }) => (up ? 'up' : 'down'),
  updated_at: ({ lastSeenAt }) => isoMicros(lastSeenAt),
  disabled_reason: ({ disabledReason }) => disabledReason,
  forced_down: since('2.11', ({ forcedDown }) => forcedDown),
})
/** Before 2.53 a change answered with what it changed. */
const changed = view<Seen & { readonly asked: string }>({
  host: ({ host }) => host,
  binary: ({ binary }) => binary,
  status: ({ disabled, asked }) => (asked === 'force-down' ? undefined : disabled ? 'disabled' : 'enabled'),
  disabled_reason: ({ disabledReason, asked }) => (asked === 'disable-log-reason' ? disabledReason : undefined),
  forced_down: ({ forcedDown, asked }) => (asked === 'force-down' ? forcedDown : undefined),
})

async function all({ db, clock, config }: Ctx): Promise<readonly Seen[]> {
  const now = clock.now()
  return (await allServices(db)).map((service) => ({
    ...service,
    up: isUp(service, now, config.DEFAULT.service_down_time * 1000),
  }))
}
async function find(ctx: Ctx, fits: (service: Service) => boolean, id: string): Promise<Seen> {
  const found = (await all(ctx)).find(fits)
  if (!found) throw new NovaError('ServiceNotFound', { id })
  return found
}

const text = z.string().min(1).max(255)
const named = { host: text, binary: text }
const reason = z
  .string()
  .min(1)
  .max(255)
  .refine((value) => value.trim() === value, 'Disabled reason contains invalid characters or is too long')

async function change(
  ctx: Ctx,
  asked: string,
  { host, binary }: { host: string; binary: string },
  values: ServiceChange,
): Promise<Seen & { readonly asked: string }> {
  const service = await find(ctx, (each) => each.host === host && each.binary === binary, `${host}:${binary}`)
  if (values.forcedDown !== undefined && binary !== COMPUTE)
    throw badRequest('Only nova-compute services can be forced down.')
  await changeService(ctx.db, service, values)
  return { ...service, ...values, asked }
}
const policy = 'os_compute_api:os-services:update'
const old = {
  policy,
  until: '2.52',
  view: (service: Seen & { readonly asked: string }, at: Parameters<typeof changed>[1]) => ({
    service: changed(service, at),
  }),
} as const

const update = z.strictObject({
  status: z.enum(['enabled', 'disabled']).optional(),
  disabled_reason: reason.optional(),
  forced_down: boolean.optional(),
})

async function updateOne(
  ctx: Ctx,
  { status, disabled_reason: why, forced_down: forcedDown }: z.output<typeof update>,
): Promise<Seen> {
  const id = ctx.params['id'] ?? ''
  if (!isIdOf('uuid', id)) throw badRequest(`Invalid uuid ${id}`)
  const service = await find(ctx, (each) => each.id === id, id)
  if (service.binary !== COMPUTE)
    throw badRequest('Updating a service that is not nova-compute is not supported: it serves while it runs.')
  if (why !== undefined && status !== 'disabled')
    throw badRequest("Specifying disabled_reason requires that status is 'disabled'.")
  if (status === undefined && forcedDown === undefined)
    throw badRequest('No updates were requested. Fields status or forced_down should be specified.')
  const values: ServiceChange = {
    ...(status === undefined ? {} : { disabled: status === 'disabled', disabledReason: why ?? null }),
    ...(forcedDown === undefined ? {} : { forcedDown }),
  }
  await changeService(ctx.db, service, values)
  return find(ctx, (each) => each.id === id, id)
}

/** Not while anything lives there or is on its way: who claims and who forgets a host hold the same guard. */
const forget = ({ db }: Ctx, service: Service): Promise<void> =>
  atomically(db, async (tx) => {
    const { binary, host } = service
    if (binary === COMPUTE) {
      await lockAggregates(tx)
      await lockGuards(tx, [`host/${host}`])
      if ((await listedOn(tx, [host])).length > 0 || (await usedByHost(tx))[host] !== undefined)
        throw new ApiFault(
          409,
          'Unable to delete compute service that is hosting instances. Migrate or delete the instances first.',
        )
    }
    await deleteService(tx, service)
  })

export const services = [
  get('/os-services', {
    policy: 'os_compute_api:os-services:list',
    query: query({ host: once(z.string()), binary: once(z.string()) }),
    run: async (ctx, { query: { host, binary } }) =>
      (await all(ctx)).filter(
        (service) => (host ?? service.host) === service.host && (binary ?? service.binary) === service.binary,
      ),
    view: (found, at) => ({ services: found.map((service) => shown(service, at)) }),
  }),
  put('/os-services/enable', {
    ...old,
    body: z.strictObject(named),
    run: (ctx, { body }) => change(ctx, 'enable', body, { disabled: false, disabledReason: null }),
  }),
  put('/os-services/disable', {
    ...old,
    body: z.strictObject(named),
    run: (ctx, { body }) => change(ctx, 'disable', body, { disabled: true, disabledReason: null }),
  }),
  put('/os-services/disable-log-reason', {
    ...old,
    body: z.strictObject({ ...named, disabled_reason: reason }),
    run: (ctx, { body }) =>
      change(ctx, 'disable-log-reason', body, { disabled: true, disabledReason: body.disabled_reason }),
  }),
  put('/os-services/force-down', {
    ...old,
    since: '2.11',
    body: z.strictObject({ ...named, forced_down: boolean }),
    run: (ctx, { body }) => change(ctx, 'force-down', body, { forcedDown: body.forced_down }),
  }),
  put('/os-services/:id', {
    policy,
    since: '2.53',
    body: update,
    run: (ctx, { body }) => updateOne(ctx, body),
    view: (service, at) => ({ service: shown(service, at) }),
  }),
  remove('/os-services/:id', {
    policy: 'os_compute_api:os-services:delete',
    status: 204,
    query: {
      '2.1': z.unknown().transform((): IdKind => 'number'),
      '2.53': z.unknown().transform((): IdKind => 'uuid'),
      '2.102': z.strictObject({}).transform((): IdKind => 'uuid'),
    },
    run: async (ctx, { query: ids }) => {
      const id = ctx.params['id'] ?? ''
      if (!isIdOf(ids, id)) throw badRequest(ids === 'uuid' ? `Invalid uuid ${id}` : `id must be an integer`)
      await forget(ctx, await find(ctx, (each) => (ids === 'uuid' ? each.id : String(each.number)) === id, id))
    },
  }),
]
