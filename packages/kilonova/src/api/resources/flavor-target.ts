/** The flavor that a path names: a private one is there only for projects with access, and for administrators. */
import { findFlavor } from '../../db/flavors.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Flavor } from '../../domain/flavor.ts'
import type { Ctx } from '../context.ts'

/** Errors: NovaError FlavorNotFound. */
export async function flavorTarget({ db, caller, params }: Ctx): Promise<Flavor> {
  const id = params['id'] ?? ''
  const flavor = await findFlavor(db, id, caller.isAdmin ? null : caller.projectId)
  if (!flavor) throw new NovaError('FlavorNotFound', { id })
  return flavor
}
