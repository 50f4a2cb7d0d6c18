/** Is there room for more? Asked inside the admitting transaction, under the project's guard: what is counted cannot change meanwhile. */
import type { Db } from '../db/database.ts'
import { bothLimits, type QuotaDefaults } from '../db/quotas.ts'
import { usedByProject } from '../db/server-lookups.ts'
import { NovaError } from '../domain/errors.ts'

const SUMMED = ['cores', 'instances', 'ram'] as const
/** `ram` in MiB. */
export type Amounts = Readonly<Record<(typeof SUMMED)[number], number>>

interface Owner {
  readonly projectId: string
  readonly userId: string
}
interface Budget {
  readonly used: Amounts
  readonly limits: Amounts
}

/** The project's limits hold for all of its servers, a user's for theirs. What is not limited is not counted. */
async function budgets(db: Db, owner: Owner, defaults: QuotaDefaults): Promise<readonly Budget[]> {
  const { projectId, userId } = owner
  const {
    project: limits,
    own: { cores = -1, instances = -1, ram = -1 },
  } = await bothLimits(db, owner, defaults)
  const some = (of: Amounts) => SUMMED.some((what) => of[what] >= 0)
  const own = { cores, instances, ram }
  return [
    ...(some(limits) ? [{ used: await usedByProject(db, projectId), limits }] : []),
    ...(some(own) ? [{ used: await usedByProject(db, projectId, userId), limits: own }] : []),
  ]
}

/** For servers that come, or that grow (then `instances` is 0). The caller holds the project's guard. Errors: NovaError TooManyInstances. */
export async function quotaAllows(tx: Db, owner: Owner, more: Amounts, defaults: QuotaDefaults): Promise<void> {
  for (const { used, limits } of await budgets(tx, owner, defaults)) fits(used, more, limits)
}

/** How many more of these there is room for, now. */
export async function roomFor(db: Db, owner: Owner, each: Amounts, defaults: QuotaDefaults): Promise<number> {
  const room = (await budgets(db, owner, defaults)).flatMap(({ used, limits }) =>
    SUMMED.flatMap((what) =>
      limits[what] < 0 || each[what] === 0 ? [] : [Math.floor((limits[what] - used[what]) / each[what])],
    ),
  )
  return Math.max(0, Math.min(Infinity, ...room))
}

function fits(used: Amounts, more: Amounts, limits: Amounts): void {
  const overs = SUMMED.filter((what) => more[what] > 0 && limits[what] >= 0 && used[what] + more[what] > limits[what])
  if (overs.length === 0) return
  const list = (of: Amounts) => overs.map((what) => of[what]).join(', ')
  throw new NovaError('TooManyInstances', {
    overs: overs.join(', '),
    requested: list(more),
    used: list(used),
    allowed: list(limits),
  })
}
