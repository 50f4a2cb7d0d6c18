/** Flavors: listed by everybody, defined by administrators. */
import { newId } from '@kilonova/base/clock.ts'
import { z } from 'zod'
import { atomically } from '../../db/database.ts'
import { changeFlavor, deleteFlavor, FLAVOR_SORT, insertFlavor, listFlavors } from '../../db/flavors.ts'
import { expressionOf } from '../../db/expression.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Flavor } from '../../domain/flavor.ts'
import type { Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { boolean, description, integer, name, once, page } from '../fields.ts'
import {
  before,
  fullPage,
  get,
  pageOf,
  post,
  put,
  remove,
  selfLinks,
  since,
  view,
  wrapped,
  type Page,
} from '../resource.ts'
import { flavorFor, flavorTarget } from './flavor-target.ts'

const brief = view<Flavor>({
  id: ({ id }) => id,
  name: ({ name }) => name,
  links: ({ id }, at) => selfLinks(at, 'flavors', id),
  description: since('2.55', ({ description }) => description),
})
const full = view<Flavor>({
  id: ({ id }) => id,
  name: ({ name }) => name,
  ram: ({ memoryMb }) => memoryMb,
  disk: ({ rootGb }) => rootGb,
  vcpus: ({ vcpus }) => vcpus,
  swap: ({ swapMb }, at) => (swapMb === 0 && at.minor < 75 ? '' : swapMb),
  'OS-FLV-EXT-DATA:ephemeral': ({ ephemeralGb }) => ephemeralGb,
  'OS-FLV-DISABLED:disabled': before('2.102', ({ disabled }) => disabled),
  'os-flavor-access:is_public': ({ isPublic }) => isPublic,
  rxtx_factor: before('2.102', ({ rxtxFactor }) => rxtxFactor),
  links: ({ id }, at) => selfLinks(at, 'flavors', id),
  description: since('2.55', ({ description }) => description),
  extra_specs: since('2.61', ({ extraSpecs }, at) =>
    at.allows('os_compute_api:os-flavor-extra-specs:index') ? extraSpecs : undefined,
  ),
})

const filters = {
  ...page,
  minRam: once(z.string()),
  minDisk: once(z.string()),
  is_public: once(z.string()),
  sort_key: once(z.string()),
  sort_dir: once(z.string()),
}
const query = {
  '2.1': z.object(filters),
  '2.75': z.strictObject(filters),
  '2.102': z.strictObject({ ...filters, name: once(z.string()) }),
} as const
type Query = z.output<z.ZodObject<typeof filters>> & { readonly name?: string | undefined }

function size(name: string, text: string | undefined): number {
  if (text === undefined) return 0
  if (!/^\d{1,10}$/.test(text)) throw badRequest(`Invalid ${name} filter [${text}]`)
  return Number(text)
}

/** Null: both kinds, which only administrators may ask for. */
function publicity(text: string | undefined, isAdmin: boolean): boolean | null {
  if (!isAdmin || text === undefined) return true
  if (/^none$/i.test(text)) return null
  if (/^(1|t|true|on|y|yes)$/i.test(text)) return true
  if (/^(0|f|false|off|n|no)$/i.test(text)) return false
  throw badRequest(`Invalid is_public filter [${text}]`)
}

async function named(all: readonly Flavor[], expression: string): Promise<readonly Flavor[]> {
  const found = await expressionOf(expression)
  return all.filter(({ name }) => found(name))
}

async function list({ db, caller, config }: Ctx, query: Query): Promise<Page<Flavor>> {
  const { sort_key: sort = 'flavorid', sort_dir: direction = 'asc' } = query
  if (!Object.hasOwn(FLAVOR_SORT, sort))
    throw badRequest(
      `Invalid input for query parameters sort_key. Value: ${sort}. '${sort}' is not a flavor attribute.`,
    )
  if (direction !== 'asc' && direction !== 'desc')
    throw badRequest(
      `Invalid input for query parameters sort_dir. Value: ${direction}. '${direction}' is not one of ['asc', 'desc']`,
    )
  const wanted = publicity(query.is_public, caller.isAdmin)
  const all = await listFlavors(db, {
    // "Public" means public to this project: with what it was given access to.
    projectId: wanted === true ? caller.projectId : null,
    ...(wanted === false ? { isPublic: false } : {}),
    minRamMb: size('min_ram', query.minRam),
    minDiskGb: size('min_disk', query.minDisk),
    sort: sort as keyof typeof FLAVOR_SORT,
    descending: direction === 'desc',
  })
  const chosen = query.name === undefined ? all : await named(all, query.name)
  const start = query.marker === undefined ? 0 : chosen.findIndex(({ id }) => id === query.marker) + 1
  if (query.marker !== undefined && start === 0) throw new NovaError('MarkerNotFound', { marker: query.marker })
  const limit = Math.min(query.limit ?? config.api.max_limit, config.api.max_limit)
  return fullPage(chosen.slice(start, start + limit), limit, ({ id }) => id)
}

const id = z.preprocess(
  (value) => (typeof value === 'number' ? String(value) : value),
  z
    .string()
    .min(1)
    .max(255)
    .regex(/^(?! )[a-zA-Z0-9. _-]+(?<! )$/, {
      error: (issue) => `'${String(issue.input)}' does not match '^(?! )[a-zA-Z0-9. _-]+(?<! )$'`,
    })
    .nullable()
    .optional(),
)
const factor = z.preprocess(
  (value) => (typeof value === 'string' && /^[0-9]+(\.[0-9]+)?$/.test(value) ? Number(value) : value),
  z.number().positive().max(3.402_823_5e38),
)
const v1 = {
  name,
  id,
  ram: integer(1),
  vcpus: integer(1),
  disk: integer(0),
  'OS-FLV-EXT-DATA:ephemeral': integer(0).optional(),
  swap: integer(0).optional(),
  rxtx_factor: factor.optional(),
  'os-flavor-access:is_public': boolean.optional(),
}
const { rxtx_factor: _, ...v102 } = { ...v1, description: description.optional() }
const make = <S extends z.ZodRawShape>(shape: S) => z.strictObject({ flavor: z.strictObject(shape) })

type New = z.output<z.ZodObject<typeof v1>> & { readonly description?: string | null | undefined }

async function create(
  { db, clock }: Ctx,
  asked: Partial<Pick<New, 'rxtx_factor'>> & Omit<New, 'rxtx_factor'>,
): Promise<Flavor> {
  const flavor: Flavor = {
    id: asked.id ?? newId(),
    name: asked.name,
    vcpus: asked.vcpus,
    memoryMb: asked.ram,
    rootGb: asked.disk,
    ephemeralGb: asked['OS-FLV-EXT-DATA:ephemeral'] ?? 0,
    swapMb: asked.swap ?? 0,
    rxtxFactor: asked.rxtx_factor ?? 1,
    isPublic: asked['os-flavor-access:is_public'] ?? true,
    disabled: false,
    description: asked.description ?? null,
    extraSpecs: {},
  }
  // Who makes one that is not public is not given access to it: administrators give it, to themselves too.
  const taken = await atomically(db, (tx) => insertFlavor(tx, flavor, clock.now()))
  if (taken === 'id') throw new NovaError('FlavorIdExists', { id: flavor.id })
  if (taken === 'name') throw new NovaError('FlavorExists', { name: flavor.name })
  return flavor
}

export const flavors = [
  get('/flavors', {
    policy: 'os_compute_api:flavors',
    query,
    run: (ctx, { query }) => list(ctx, query),
    view: pageOf('flavors', brief),
  }),
  get('/flavors/detail', {
    policy: 'os_compute_api:flavors',
    query,
    run: (ctx, { query }) => list(ctx, query),
    view: pageOf('flavors', full),
  }),
  get('/flavors/:id', {
    policy: 'os_compute_api:flavors',
    target: flavorTarget,
    run: async (_ctx, { target }) => target,
    view: wrapped('flavor', full),
  }),
  post('/flavors', {
    policy: 'os_compute_api:os-flavor-manage:create',
    body: { '2.1': make(v1), '2.55': make({ ...v1, description: description.optional() }), '2.102': make(v102) },
    run: (ctx, { body }) => create(ctx, body.flavor),
    view: wrapped('flavor', full),
  }),
  put('/flavors/:id', {
    policy: 'os_compute_api:os-flavor-manage:update',
    since: '2.55',
    body: make({ description: z.string().max(65_535).nullable() }),
    target: flavorFor('os_compute_api:os-flavor-manage:update'),
    run: async ({ db }, { body, target }) => {
      await changeFlavor(db, target.id, { description: body.flavor.description })
      return { ...target, description: body.flavor.description }
    },
    view: wrapped('flavor', full),
  }),
  remove('/flavors/:id', {
    policy: 'os_compute_api:os-flavor-manage:delete',
    status: 202,
    target: flavorFor('os_compute_api:os-flavor-manage:delete'),
    run: ({ db }, { target }) => deleteFlavor(db, target.id),
  }),
]
