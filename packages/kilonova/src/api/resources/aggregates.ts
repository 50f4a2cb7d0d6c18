/** Host aggregates, and the availability zones that are made by naming one in an aggregate's metadata. */
import { isoMicros } from '@kilonova/base/clock.ts'
import { z } from 'zod'
import {
  addHost,
  allAggregates,
  changeAggregate,
  deleteAggregate,
  insertAggregate,
  lockAggregates,
  removeHost,
  setZone,
  type Aggregate,
} from '../../db/aggregates.ts'
import { atomically, type Db } from '../../db/database.ts'
import { zonesOf } from '../../db/host-zones.ts'
import { allHosts, isUp } from '../../db/hosts.ts'
import { listedOn } from '../../db/server-list.ts'
import { NoAnswerError } from '../../rpc/bus.ts'
import { IMAGE_CACHING, imageCaching } from '../../rpc/conductor.ts'
import { client } from '../../rpc/contract.ts'
import type { Ctx } from '../context.ts'
import { ApiFault, badRequest, notFound } from '../faults.ts'
import { name, uuid } from '../fields.ts'
import { get, post, put, remove, since, view, wrapped } from '../resource.ts'

const CONDUCTOR_TIMEOUT_MS = 10_000
const ZONE = 'availability_zone'
const zoneOf = ({ metadata }: Pick<Aggregate, 'metadata'>): string | undefined => metadata[ZONE]

const shown = view<Aggregate>({
  id: ({ number }) => number,
  uuid: since('2.41', ({ id }) => id),
  name: ({ name }) => name,
  availability_zone: (aggregate) => zoneOf(aggregate) ?? null,
  hosts: ({ hosts }) => hosts,
  metadata: ({ metadata }) => metadata,
  created_at: ({ createdAt }) => isoMicros(createdAt),
  updated_at: ({ updatedAt }) => (updatedAt === null ? null : isoMicros(updatedAt)),
  deleted_at: () => null,
  deleted: () => false,
})
const one = wrapped('aggregate', shown)

const conflict = (message: string) => new ApiFault(409, message)

async function find(db: Db, { params }: Ctx): Promise<Aggregate> {
  const id = params['id'] ?? ''
  if (!/^-?\d{1,10}$/.test(id))
    throw badRequest(`Invalid input for aggregate id. Value: ${id}. '${id}' is not of type 'integer'`)
  const found = (await allAggregates(db)).find(({ number }) => number === Number(id))
  if (!found) throw notFound(`Aggregate ${id} could not be found.`)
  return found
}

type Refuse = (reason: string) => ApiFault

/** Hosts go where their aggregates say, and to the default zone when none says anything. Errors: what `refuse` makes, when servers would change their zone. */
async function settle(tx: Db, { config }: Ctx, hosts: readonly string[], refuse: Refuse): Promise<void> {
  const aggregates = await allAggregates(tx)
  const now = new Map((await zonesOf(tx)).map(({ host, zone }) => [host, zone]))
  for (const host of hosts) {
    const zones = new Set(
      aggregates.flatMap((aggregate) => (aggregate.hosts.includes(host) ? (zoneOf(aggregate) ?? []) : [])),
    )
    if (zones.size > 1) throw refuse(`One or more hosts already in availability zone(s) ${[...zones].join(', ')}`)
    const [zone = config.DEFAULT.default_availability_zone] = zones
    if (now.get(host) === zone) continue
    if ((await listedOn(tx, [host])).length > 0) throw refuse('One or more hosts contain instances in this zone')
    await setZone(tx, [host], zone)
  }
}

/** Reads, changes, and lets hosts follow, in one transaction. */
const edit = (
  ctx: Ctx,
  [status, what]: readonly [number, string],
  change: (tx: Db, aggregate: Aggregate) => Promise<readonly string[]>,
): Promise<Aggregate> =>
  atomically(ctx.db, async (tx) => {
    await lockAggregates(tx)
    const aggregate = await find(tx, ctx)
    const refuse: Refuse = (reason) =>
      new ApiFault(status, `Cannot ${what} aggregate ${aggregate.number}. Reason: ${reason}.`)
    await settle(tx, ctx, await change(tx, aggregate), refuse)
    return find(tx, ctx)
  })

const text = z.string().min(1).max(255)
const zone = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^:]*$/)
const create = z.strictObject({ aggregate: z.strictObject({ name, availability_zone: zone.nullable().optional() }) })
const update = z.strictObject({
  aggregate: z
    .strictObject({ name: name.optional(), availability_zone: zone.nullable().optional() })
    .refine((value) => Object.keys(value).length > 0, '{} does not have enough properties'),
})
const action = z.strictObject({
  add_host: z.strictObject({ host: text }).optional(),
  remove_host: z.strictObject({ host: text }).optional(),
  set_metadata: z
    .strictObject({ metadata: z.record(z.string().regex(/^[a-zA-Z0-9-_:. ]{1,255}$/), z.string().max(255).nullable()) })
    .optional(),
})

const without = (items: Readonly<Record<string, string | null>>): Record<string, string> =>
  Object.fromEntries(Object.entries(items).filter((item): item is [string, string] => item[1] !== null))

async function make(
  ctx: Ctx,
  { name, availability_zone: asked }: z.output<typeof create>['aggregate'],
): Promise<Aggregate> {
  if (!(await insertAggregate(ctx.db, name, asked ? { [ZONE]: asked } : {}, ctx.clock.now())))
    throw conflict(`Aggregate ${name} already exists.`)
  const made = (await allAggregates(ctx.db)).find((aggregate) => aggregate.name === name)
  if (!made) throw notFound(`Aggregate ${name} could not be found.`)
  return made
}

async function rename(
  ctx: Ctx,
  { name, availability_zone: asked }: z.output<typeof update>['aggregate'],
): Promise<Aggregate> {
  return edit(ctx, [400, 'update'], async (tx, aggregate) => {
    const taken =
      name !== undefined &&
      (await allAggregates(tx)).some((other) => other.name === name && other.number !== aggregate.number)
    if (taken) throw conflict(`Aggregate ${name} already exists.`)
    const metadata = asked === undefined ? aggregate.metadata : without({ ...aggregate.metadata, [ZONE]: asked })
    await changeAggregate(tx, aggregate.number, { name: name ?? aggregate.name, metadata }, ctx.clock.now())
    return aggregate.hosts
  })
}

async function act(
  ctx: Ctx,
  { add_host: add, remove_host: take, set_metadata: set }: z.output<typeof action>,
): Promise<Aggregate> {
  if ([add, take, set].filter((each) => each !== undefined).length !== 1)
    throw badRequest('The request body holds exactly one of add_host, remove_host and set_metadata.')
  ctx.check(`os_compute_api:os-aggregates:${add ? 'add_host' : take ? 'remove_host' : 'set_metadata'}`)
  const refused = add ? 'add host to' : take ? 'remove host from' : 'update metadata of'
  return edit(ctx, [set ? 400 : 409, refused], async (tx, aggregate) => {
    const { number, name, metadata, hosts } = aggregate
    if (add) {
      if (!(await zonesOf(tx)).some(({ host }) => host === add.host))
        throw notFound(`Compute host ${add.host} could not be found.`)
      if (!(await addHost(tx, number, add.host, ctx.clock.now())))
        throw conflict(`Aggregate ${number} already has host ${add.host}.`)
      return [add.host]
    }
    if (take) {
      if (!(await removeHost(tx, number, take.host)))
        throw notFound(`Cannot remove host ${take.host} in aggregate ${number}`)
      return [take.host]
    }
    await changeAggregate(tx, number, { name, metadata: without({ ...metadata, ...set?.metadata }) }, ctx.clock.now())
    return hosts
  })
}

const images = z.strictObject({ cache: z.array(z.strictObject({ id: uuid })).min(1) })

/** Errors: 404, 400 for images that are not there or not ready. The hosts are asked by the conductor, one after another. */
async function cacheImages(ctx: Ctx, { cache }: z.output<typeof images>): Promise<void> {
  const { db, bus, caller, glance, clock, config } = ctx
  const imageIds = cache.map(({ id }) => id)
  if (new Set(imageIds).size < imageIds.length) throw badRequest('Duplicate images in request')
  const aggregate = await find(db, ctx)
  for (const id of imageIds) {
    const image = await glance.show(id, caller.token)
    if (!image) throw badRequest(`Image ${id} could not be found.`)
    if (image.status !== 'active') throw badRequest(`Image ${id} is unacceptable: Image is not active`)
  }
  const now = clock.now()
  const hosts = (await allHosts(db)).filter(
    (each) => aggregate.hosts.includes(each.host) && isUp(each, now, config.DEFAULT.service_down_time * 1000),
  )
  if (hosts.length === 0) return
  const { requestId, userId, projectId } = caller
  const conductors = client(imageCaching, bus, IMAGE_CACHING, { requestId, userId, projectId }, CONDUCTOR_TIMEOUT_MS)
  await conductors.cacheImages({ hosts: hosts.map(({ host }) => host), imageIds }).catch((error: unknown) => {
    if (error instanceof NoAnswerError) throw new ApiFault(503, 'No conductor answers.', {}, { cause: error })
    throw error
  })
}

export const aggregates = [
  get('/os-aggregates', {
    policy: 'os_compute_api:os-aggregates:index',
    run: ({ db }) => allAggregates(db),
    view: (all, at) => ({ aggregates: all.map((each) => shown(each, at)) }),
  }),
  post('/os-aggregates', {
    policy: 'os_compute_api:os-aggregates:create',
    body: create,
    run: (ctx, { body }) => make(ctx, body.aggregate),
    view: (aggregate, at) => {
      // Upstream leaves out what a new one does not have.
      const { hosts: _, metadata: _m, ...rest } = shown(aggregate, at)
      return { aggregate: rest }
    },
  }),
  get('/os-aggregates/:id', {
    policy: 'os_compute_api:os-aggregates:show',
    run: (ctx) => find(ctx.db, ctx),
    view: one,
  }),
  put('/os-aggregates/:id', {
    policy: 'os_compute_api:os-aggregates:update',
    body: update,
    run: (ctx, { body }) => rename(ctx, body.aggregate),
    view: one,
  }),
  remove('/os-aggregates/:id', {
    policy: 'os_compute_api:os-aggregates:delete',
    run: (ctx) =>
      atomically(ctx.db, async (tx) => {
        await lockAggregates(tx)
        const { number, hosts } = await find(tx, ctx)
        if (hosts.length > 0)
          throw badRequest(`Cannot remove host from aggregate ${number}. Reason: Host aggregate is not empty.`)
        await deleteAggregate(tx, number)
      }),
  }),
  post('/os-aggregates/:id/images', {
    policy: 'compute:aggregates:images',
    since: '2.81',
    status: 202,
    body: images,
    run: (ctx, { body }) => cacheImages(ctx, body),
  }),
  post('/os-aggregates/:id/action', {
    policy: 'by the body',
    body: action,
    run: (ctx, { body }) => act(ctx, body),
    view: one,
  }),
]
