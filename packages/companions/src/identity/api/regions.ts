/** `/v3/regions`: anybody sees them. Their id is chosen by who makes them, by POST or by PUT. */
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { audit } from '../audit.ts'
import { authenticated, type IdentityContext } from '../context.ts'
import { notFound, notUnderstood, refusedAction, taken } from '../errors.ts'
import { mayManage, must } from '../policy.ts'
import { selectEqual } from '../store/select-equal.ts'
import { crudRoutes, framed, newId, stored, type Db } from './crud.ts'
import { description, extraOf } from './fields.ts'
import { regionView } from './views.ts'

const FILTERS = { parent_region_id: 'text' } as const
const create = z.looseObject({
  id: z.string().max(255).optional(),
  description,
  parent_region_id: z.string().max(255).nullish(),
})
const change = create.partial()

export function regionRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  crudRoutes(app, ctx, {
    one: 'region',
    many: 'regions',
    open: true,
    create,
    change,
    domainOf: () => null,
    domainOfNew: () => null,
    alsoSees: () => true,
    alsoLists: () => true,
    select: (db, query) => selectEqual(db.selectFrom('regions').selectAll().orderBy('id'), FILTERS, query).execute(),
    find: (db, id) => db.selectFrom('regions').selectAll().where('id', '=', id).executeTakeFirst(),
    insert,
    update: async (db, row, body) => {
      if (body.parent_region_id) await mustBeOutside(db, row.id, body.parent_region_id)
      return db
        .updateTable('regions')
        .set({
          description: body.description ?? row.description,
          parent_region_id: body.parent_region_id === undefined ? row.parent_region_id : body.parent_region_id,
          extra: extraOf(body, create, row.extra),
        })
        .where('id', '=', row.id)
        .returningAll()
        .executeTakeFirstOrThrow()
    },
    remove: (db, { id }) =>
      db.transaction().execute(async (tx) => {
        const used =
          (await tx.selectFrom('endpoints').select('id').where('region_id', '=', id).executeTakeFirst()) ??
          (await tx.selectFrom('regions').select('id').where('parent_region_id', '=', id).executeTakeFirst())
        if (used)
          throw refusedAction(`Unable to delete region ${id} because it or its child regions have associated endpoints`)
        await tx.deleteFrom('regions').where('id', '=', id).execute()
      }),
    view: regionView,
  })

  app.put(
    '/v3/regions/:id',
    authenticated(ctx, async (caller, request, reply) => {
      must(mayManage(caller), 'create_region')
      const { id } = request.params as { id: string }
      const body = framed('region', create, request.body)
      if (body.id !== undefined && body.id !== id)
        throw notUnderstood('The region id in the body is not the one in the URL.')
      const row = await stored('region', id, () => insert(ctx.database.kysely, { ...body, id }))
      audit(ctx, request, { event: 'create region', outcome: 'success', actor: caller.token.userId, target: id })
      return reply.code(201).send({ region: regionView(request, row) })
    }),
  )
}

async function insert(db: Db, body: z.output<typeof create>) {
  const id = body.id || newId()
  if (body.parent_region_id) await mustBeOutside(db, id, body.parent_region_id)
  const row = await db
    .insertInto('regions')
    .values({
      id,
      description: body.description ?? '',
      parent_region_id: body.parent_region_id ?? null,
      extra: extraOf(body, create),
    })
    .onConflict((there) => there.doNothing())
    .returningAll()
    .executeTakeFirst()
  if (!row) throw taken('region', `Duplicate ID, ${id}`)
  return row
}

/** A region's parent is there, and not below it. Errors: 404, 400. */
async function mustBeOutside(db: Db, id: string, parentId: string): Promise<void> {
  for (let next: string | null = parentId; next !== null;) {
    if (next === id) throw notUnderstood('A region cannot be below itself.')
    const row: { parent_region_id: string | null } | undefined = await db
      .selectFrom('regions')
      .select('parent_region_id')
      .where('id', '=', next)
      .executeTakeFirst()
    if (!row) throw notFound('region', next)
    next = row.parent_region_id
  }
}
