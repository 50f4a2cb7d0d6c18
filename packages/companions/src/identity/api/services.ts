/** `/v3/services`: what the catalog has. A disabled one is left out of it. */
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { IdentityContext } from '../context.ts'
import { inexact, selectEqual } from '../store/select-equal.ts'
import { crudRoutes, newId } from './crud.ts'
import { description, enabled, extraOf } from './fields.ts'
import { serviceView } from './views.ts'

const FILTERS = { name: 'text', type: 'text' } as const
const create = z.looseObject({
  type: z.string().min(1).max(255),
  name: z.string().max(255).nullish(),
  description,
  enabled,
})
const change = create.partial()

export function serviceRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  crudRoutes(app, ctx, {
    one: 'service',
    many: 'services',
    cloud: true,
    create,
    change,
    domainOf: () => null,
    domainOfNew: () => null,
    select: async (db, query) =>
      inexact(
        await selectEqual(
          db.selectFrom('services').selectAll().orderBy('type').orderBy('id'),
          FILTERS,
          query,
        ).execute(),
        FILTERS,
        query,
      ),
    find: (db, id) => db.selectFrom('services').selectAll().where('id', '=', id).executeTakeFirst(),
    insert: (db, body) =>
      db
        .insertInto('services')
        .values({
          id: newId(),
          type: body.type,
          name: body.name ?? null,
          description: body.description ?? null,
          enabled: Number(body.enabled ?? true),
          extra: extraOf(body, create),
        })
        .returningAll()
        .executeTakeFirstOrThrow(),
    update: (db, row, body) =>
      db
        .updateTable('services')
        .set({
          type: body.type ?? row.type,
          name: body.name === undefined ? row.name : body.name,
          description: body.description === undefined ? row.description : body.description,
          enabled: Number(body.enabled ?? row.enabled),
          extra: extraOf(body, create, row.extra),
        })
        .where('id', '=', row.id)
        .returningAll()
        .executeTakeFirstOrThrow(),
    // Its endpoints go with it.
    remove: async (db, { id }) => void (await db.deleteFrom('services').where('id', '=', id).execute()),
    view: serviceView,
  })
}
