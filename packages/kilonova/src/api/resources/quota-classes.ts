/** Quota classes: limits under a name. The class `default` holds for every project that none was set for. */
import { atomically } from '../../db/database.ts'
import { classLimits, setQuotaClass, type QuotaLimits } from '../../db/quotas.ts'
import type { Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { get, put, since, view, wrapped } from '../resource.ts'
import { GROUPS, limitFields, limitOf, settable, settings, type Asked } from './quota-fields.ts'

interface Limits {
  readonly id?: string
  readonly limits: QuotaLimits
}

/** The version that took addresses away brought server groups, which were forgotten before. */
const CHANGED = '2.50'
const shown = wrapped(
  'quota_class_set',
  view<Limits>({
    id: ({ id }) => id,
    ...limitFields(CHANGED, ({ limits }: Limits, resource) => limitOf(limits, resource)),
    ...Object.fromEntries(GROUPS.map((name) => [name, since(CHANGED, ({ limits }: Limits) => limits[name])])),
  }),
)

const MAX_NAME = 255
const nameOf = ({ params }: Ctx): string => params['id'] ?? ''

async function update(ctx: Ctx, asked: Asked): Promise<Limits> {
  const name = nameOf(ctx)
  if (name.length > MAX_NAME) throw badRequest(`quota_class_name has ${name.length} characters, more than ${MAX_NAME}.`)
  return atomically(ctx.db, async (tx) => {
    for (const [resource, limit] of settings(asked)) await setQuotaClass(tx, name, resource, limit)
    return { limits: await classLimits(tx, name, ctx.config.quota) }
  })
}

const path = '/os-quota-class-sets/:id'

export const quotaClasses = [
  get(path, {
    policy: 'os_compute_api:os-quota-class-sets:show',
    run: async (ctx) => ({ id: nameOf(ctx), limits: await classLimits(ctx.db, nameOf(ctx), ctx.config.quota) }),
    view: shown,
  }),
  put(path, {
    policy: 'os_compute_api:os-quota-class-sets:update',
    body: settable('quota_class_set', CHANGED, {}),
    run: (ctx, { body }) => update(ctx, body.quota_class_set),
    view: shown,
  }),
]
