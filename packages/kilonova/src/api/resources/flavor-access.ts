/** Which projects may use a private flavor. */
import { z } from 'zod'
import { flavorProjects, giveAccess, takeAccess } from '../../db/flavors.ts'
import type { Flavor } from '../../domain/flavor.ts'
import type { Ctx } from '../context.ts'
import { ApiFault, badRequest, notFound } from '../faults.ts'
import { get, post } from '../resource.ts'
import { flavorTarget } from './flavor-target.ts'

const tenant = z.strictObject({
  tenant: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[a-zA-Z0-9-]*$/),
})
const actions = z.strictObject({ addTenantAccess: tenant.optional(), removeTenantAccess: tenant.optional() })

const conflict = (message: string) => new ApiFault(409, message)

async function act(
  { db, check }: Ctx,
  flavor: Flavor,
  { addTenantAccess: add, removeTenantAccess: take }: z.output<typeof actions>,
): Promise<void> {
  if ((add === undefined) === (take === undefined))
    throw badRequest('The request body holds exactly one of addTenantAccess and removeTenantAccess.')
  if (add) {
    check('os_compute_api:os-flavor-access:add_tenant_access')
    if (flavor.isPublic) throw conflict('Can not add access to a public flavor.')
    if (!(await giveAccess(db, flavor.id, add.tenant)))
      throw conflict(`Flavor access already exists for flavor ${flavor.id} and project ${add.tenant} combination.`)
  }
  if (take) {
    check('os_compute_api:os-flavor-access:remove_tenant_access')
    if (!(await takeAccess(db, flavor.id, take.tenant)))
      throw notFound(`Flavor access not found for ${flavor.id} / ${take.tenant} combination.`)
  }
}

const list = async ({ db }: Ctx, flavor: Flavor) =>
  (await flavorProjects(db, flavor.id)).map((project) => ({ flavor_id: flavor.id, tenant_id: project }))

export const flavorAccess = [
  get('/flavors/:id/os-flavor-access', {
    policy: 'os_compute_api:os-flavor-access',
    target: flavorTarget,
    run: (ctx, { target }) => {
      if (target.isPublic) throw notFound('Access list not available for public flavors.')
      return list(ctx, target)
    },
    view: (all) => ({ flavor_access: all }),
  }),
  post('/flavors/:id/action', {
    policy: 'os_compute_api:os-flavor-access',
    body: actions,
    target: flavorTarget,
    run: async (ctx, { body, target }) => {
      await act(ctx, target, body)
      return list(ctx, target)
    },
    view: (all) => ({ flavor_access: all }),
  }),
]
