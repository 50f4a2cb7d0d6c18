/** Extra specs of flavors: what schedulers and hypervisors are told beyond sizes. */
import { z } from 'zod'
import { atomically } from '../../db/database.ts'
import { changeFlavor, findFlavor, lockFlavor } from '../../db/flavors.ts'
import { NovaError } from '../../domain/errors.ts'
import { extraSpecProblem } from '../../domain/extra-specs.ts'
import type { Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { get, post, put, remove } from '../resource.ts'
import { flavorFor, flavorTarget } from './flavor-target.ts'

type Specs = Readonly<Record<string, string>>
const value = z.union([z.string().max(255), z.number().transform(String)])
const specs = z.record(z.string().regex(/^[a-zA-Z0-9-_:. ]{1,255}$/), value)

/** From 2.86 on. */
const checked = specs.superRefine((all, context) => {
  const [message] = Object.entries(all).flatMap(([name, text]) => extraSpecProblem(name, text) ?? [])
  if (message !== undefined) context.addIssue({ code: 'custom', message, path: [] })
})
const wrap = <S extends z.ZodType<Specs>>(all: S) => z.strictObject({ extra_specs: all })

/** Reads, changes and writes under the flavor's row. */
const edit = ({ db }: Ctx, id: string, change: (now: Specs) => Specs) =>
  atomically(db, async (tx) => {
    await lockFlavor(tx, id)
    const flavor = await findFlavor(tx, id, null)
    if (!flavor) throw new NovaError('FlavorNotFound', { id })
    await changeFlavor(tx, id, { extra_specs: JSON.stringify(change(flavor.extraSpecs)) })
  })

const keyOf = ({ params }: Ctx): string => params['key'] ?? ''
function found(ctx: Ctx, flavor: string, all: Specs): Specs {
  const key = keyOf(ctx)
  const held = Object.hasOwn(all, key) ? all[key] : undefined
  if (held === undefined) throw new NovaError('ExtraSpecNotFound', { key, flavor })
  return { [key]: held }
}
const as = (shown: Specs): Specs => shown

export const flavorExtraSpecs = [
  get('/flavors/:id/os-extra_specs', {
    policy: 'os_compute_api:os-flavor-extra-specs:index',
    target: flavorTarget,
    run: async (_ctx, { target }) => target.extraSpecs,
    view: (all) => ({ extra_specs: all }),
  }),
  post('/flavors/:id/os-extra_specs', {
    policy: 'os_compute_api:os-flavor-extra-specs:create',
    body: { '2.1': wrap(specs), '2.86': wrap(checked) },
    target: flavorFor('os_compute_api:os-flavor-extra-specs:create'),
    run: async (ctx, { body, target }) => {
      await edit(ctx, target.id, (now) => ({ ...now, ...body.extra_specs }))
      return body.extra_specs
    },
    view: (all) => ({ extra_specs: all }),
  }),
  get('/flavors/:id/os-extra_specs/:key', {
    policy: 'os_compute_api:os-flavor-extra-specs:show',
    target: flavorTarget,
    run: async (ctx, { target }) => found(ctx, target.id, target.extraSpecs),
    view: as,
  }),
  put('/flavors/:id/os-extra_specs/:key', {
    policy: 'os_compute_api:os-flavor-extra-specs:update',
    body: { '2.1': specs, '2.86': checked },
    target: flavorFor('os_compute_api:os-flavor-extra-specs:update'),
    run: async (ctx, { body, target }) => {
      const [key, ...more] = Object.keys(body)
      if (key !== keyOf(ctx) || more.length > 0) throw badRequest('Request body and URI mismatch')
      await edit(ctx, target.id, (now) => ({ ...now, ...body }))
      return body
    },
    view: as,
  }),
  remove('/flavors/:id/os-extra_specs/:key', {
    policy: 'os_compute_api:os-flavor-extra-specs:delete',
    target: flavorFor('os_compute_api:os-flavor-extra-specs:delete'),
    run: (ctx, { target }) =>
      edit(ctx, target.id, (now) => {
        found(ctx, target.id, now)
        return Object.fromEntries(Object.entries(now).filter(([key]) => key !== keyOf(ctx)))
      }),
  }),
]
