/** `/v3/endpoints`: where a service is, by interface and region. `%(project_id)s` in a URL is filled in by the catalog. */
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { IdentityContext } from '../context.ts'
import { notUnderstood } from '../errors.ts'
import { selectEqual } from '../store/select-equal.ts'
import { crudRoutes, newId, type Db } from './crud.ts'
import { enabled, extraOf, idField } from './fields.ts'
import { endpointView } from './views.ts'

const FILTERS = { service_id: 'text', region_id: 'text', interface: 'text' } as const
const create = z.looseObject({
  service_id: idField,
  interface: z.enum(['public', 'internal', 'admin']),
  url: z
    .string()
    .max(2048)
    .regex(/^https?:\/\/[^\s]+$/i, 'an http or https URL is needed'),
  region_id: z.string().max(255).nullish(),
  /** The older word: a region of this name is made when there is none. */
  region: z.string().max(255).nullish(),
  enabled,
})
const change = create.partial()

export function endpointRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  crudRoutes(app, ctx, {
    one: 'endpoint',
    many: 'endpoints',
    cloud: true,
    create,
    change,
    domainOf: () => null,
    domainOfNew: () => null,
    select: (db, query) => selectEqual(db.selectFrom('endpoints').selectAll().orderBy('id'), FILTERS, query).execute(),
    find: (db, id) => db.selectFrom('endpoints').selectAll().where('id', '=', id).executeTakeFirst(),
    insert: (db, body) =>
      db.transaction().execute(async (tx) => {
        await mustHaveService(tx, body.service_id)
        return tx
          .insertInto('endpoints')
          .values({
            id: newId(),
            service_id: body.service_id,
            region_id: await regionOf(tx, body),
            interface: body.interface,
            url: body.url,
            enabled: Number(body.enabled ?? true),
            extra: extraOf(body, create),
          })
          .returningAll()
          .executeTakeFirstOrThrow()
      }),
    update: (db, row, body) =>
      db.transaction().execute(async (tx) => {
        if (body.service_id !== undefined) await mustHaveService(tx, body.service_id)
        const moves = body.region_id !== undefined || body.region !== undefined
        return tx
          .updateTable('endpoints')
          .set({
            service_id: body.service_id ?? row.service_id,
            region_id: moves ? await regionOf(tx, body) : row.region_id,
            interface: body.interface ?? row.interface,
            url: body.url ?? row.url,
            enabled: Number(body.enabled ?? row.enabled),
            extra: extraOf(body, create, row.extra),
          })
          .where('id', '=', row.id)
          .returningAll()
          .executeTakeFirstOrThrow()
      }),
    remove: async (db, { id }) => void (await db.deleteFrom('endpoints').where('id', '=', id).execute()),
    view: endpointView,
  })
}

async function mustHaveService(db: Db, id: string): Promise<void> {
  const row = await db.selectFrom('services').select('id').where('id', '=', id).executeTakeFirst()
  if (!row) throw notUnderstood(`Could not find service: ${id}.`)
}

async function regionOf(db: Db, { region_id: id, region }: Pick<z.output<typeof change>, 'region_id' | 'region'>) {
  if (typeof id === 'string') {
    const row = await db.selectFrom('regions').select('id').where('id', '=', id).executeTakeFirst()
    if (!row) throw notUnderstood(`Could not find region: ${id}.`)
    return id
  }
  if (typeof region !== 'string') return null
  await db
    .insertInto('regions')
    .values({ id: region, description: '', parent_region_id: null, extra: '{}' })
    .onConflict((there) => there.doNothing())
    .execute()
  return region
}
