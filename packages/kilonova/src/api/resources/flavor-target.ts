/** The flavor that a path names: a private one is there only for projects with access, and for administrators. */
import { findFlavor } from '../../db/flavors.ts'
import { NovaError } from '../../domain/errors.ts'
import type { Flavor } from '../../domain/flavor.ts'
import type { Rule } from '../../policy/rules.ts'
import type { Ctx } from '../context.ts'

/** Errors: NovaError FlavorNotFound. */
export async function flavorTarget({ db, caller, params }: Ctx): Promise<Flavor> {
  const id = params['id'] ?? ''
  const flavor = await findFlavor(db, id, caller.isAdmin ? null : caller.projectId)
  if (!flavor) throw new NovaError('FlavorNotFound', { id })
  return flavor
}

/** The same for what administrators do: who may not is told that, and nothing of private flavors. Errors: Forbidden, FlavorNotFound. */
export const flavorFor =
  (rule: Rule) =>
  async (ctx: Ctx): Promise<Flavor> => {
    ctx.check(rule)
    return flavorTarget(ctx)
  }
