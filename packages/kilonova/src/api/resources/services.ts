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
import { isMigrating, listMigrations } from '../../db/server-migrations.ts'
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
const notCompute = (binary: string) =>
  badRequest(`Updating a ${binary} service is not supported. Only nova-compute services can be updated.`)
const reason = z
  .string()
  .min(1)
  .max(255)
  .refine((value) => value.trim() === value, 'Disabled reason contains invalid characters or is too long')

/** A host whose guests live elsewhere now must have been told so before it may count as up again. Errors: 400. */
async function noEvacuations({ db }: Ctx, host: string): Promise<void> {
  const filter = { hidden: false, sourceHost: host, status: 'done', type: 'evacuation' } as const
  if (((await listMigrations(db, filter)) ?? []).length > 0)
    throw badRequest(
      `Unable to force up host ${host} as \`done\` evacuation migration records remain associated with the host. Ensure the compute service has been restarted, allowing these records to move to \`completed\` before retrying this request.`,
    )
}

async function change(
  ctx: Ctx,
  asked: string,
  { host, binary }: { host: string; binary: string },
  values: ServiceChange,
): Promise<Seen & { readonly asked: string }> {
  if (binary === COMPUTE && values.forcedDown === false) await noEvacuations(ctx, host)
  if (binary !== COMPUTE) throw notCompute(binary)
  const service = await find(ctx, (each) => each.host === host && each.binary === binary, `${host}:${binary}`)
  await changeService(ctx.db, service, values)
  return { ...service, ...values, asked }
}
const policy = 'os_compute_api:os-services:update'
/** One body for all of them, whatever they make of it. */
const oldBody = { host: text, binary: text, disabled_reason: reason.optional() }
const oldBodies = {
  '2.1': z.strictObject(oldBody),
  '2.11': z.strictObject({ ...oldBody, forced_down: boolean.optional() }),
} as const
const required = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw badRequest(`Missing ${what} field`)
  return value
}
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
  if (service.binary !== COMPUTE) throw notCompute(service.binary)
  if (why !== undefined && status === 'enabled')
    throw badRequest("Specifying 'disabled_reason' with status 'enabled' is invalid.")
  if (forcedDown === false) await noEvacuations(ctx, service.host)
  if (status === undefined && forcedDown === undefined)
    throw badRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
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
      if (await isMigrating(tx, host))
        throw new ApiFault(
          409,
          'Unable to delete compute service that has in-progress migrations. Complete the migrations or delete the instances first.',
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
    body: oldBodies,
    run: (ctx, { body }) => change(ctx, 'enable', body, { disabled: false, disabledReason: null }),
  }),
  put('/os-services/disable', {
    ...old,
    body: oldBodies,
    run: (ctx, { body }) => change(ctx, 'disable', body, { disabled: true, disabledReason: null }),
  }),
  put('/os-services/disable-log-reason', {
    ...old,
    body: oldBodies,
    run: (ctx, { body }) =>
      change(ctx, 'disable-log-reason', body, {
        disabled: true,
        disabledReason: required(body.disabled_reason, 'disabled reason'),
      }),
  }),
  put('/os-services/force-down', {
    ...old,
    since: '2.11',
    body: z.strictObject({ ...oldBody, forced_down: boolean.optional() }),
    run: (ctx, { body }) => change(ctx, 'force-down', body, { forcedDown: required(body.forced_down, 'forced_down') }),
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
