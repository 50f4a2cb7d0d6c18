/** Which projects may use a private flavor. */
import { z } from 'zod'
import { flavorProjects, giveAccess, takeAccess } from '../../db/flavors.ts'
import type { Flavor } from '../../domain/flavor.ts'
import type { Ctx } from '../context.ts'
import { ApiFault, badRequest, notFound } from '../faults.ts'
import { get, post } from '../resource.ts'
import { flavorFor } from './flavor-target.ts'

const tenant = z.strictObject({
  tenant: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[a-zA-Z0-9-]*$/),
})
const actions = z.strictObject({ addTenantAccess: tenant.optional(), removeTenantAccess: tenant.optional() })

/** Until 2.6 access could be given to a flavor that everybody may use anyway. */
const bodies = {
  '2.1': actions.transform((asked) => ({ ...asked, publicToo: true })),
  '2.7': actions.transform((asked) => ({ ...asked, publicToo: false })),
} as const

const conflict = (message: string) => new ApiFault(409, message)

async function act(
  ctx: Ctx,
  { addTenantAccess: add, removeTenantAccess: take, publicToo }: z.output<(typeof bodies)['2.1']>,
): Promise<Flavor> {
  const { db } = ctx
  if ((add === undefined) === (take === undefined))
    throw badRequest('The request body holds exactly one of addTenantAccess and removeTenantAccess.')
  const flavor = await flavorFor(`os_compute_api:os-flavor-access:${add ? 'add' : 'remove'}_tenant_access`)(ctx)
  if (add) {
    if (flavor.isPublic && !publicToo) throw conflict('Can not add access to a public flavor.')
    if (!(await giveAccess(db, flavor.id, add.tenant)))
      throw conflict(`Flavor access already exists for flavor ${flavor.id} and project ${add.tenant} combination.`)
  }
  if (take) {
    if (!(await takeAccess(db, flavor.id, take.tenant)))
      throw notFound(`Flavor access not found for ${flavor.id} / ${take.tenant} combination.`)
  }
  return flavor
}

const list = async ({ db }: Ctx, flavor: Flavor) =>
  (await flavorProjects(db, flavor.id)).map((project) => ({ flavor_id: flavor.id, tenant_id: project }))

export const flavorAccess = [
  get('/flavors/:id/os-flavor-access', {
    policy: 'os_compute_api:os-flavor-access',
    target: flavorFor('os_compute_api:os-flavor-access'),
    run: (ctx, { target }) => {
      if (target.isPublic) throw notFound('Access list not available for public flavors.')
      return list(ctx, target)
    },
    view: (all) => ({ flavor_access: all }),
  }),
  post('/flavors/:id/action', {
    policy: 'by the body',
    body: bodies,
    run: async (ctx, { body }) => list(ctx, await act(ctx, body)),
    view: (all) => ({ flavor_access: all }),
  }),
]
