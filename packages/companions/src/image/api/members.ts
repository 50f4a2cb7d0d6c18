/** `/v2/images/{id}/members`: with whom the owner of a shared image shares it, and whether they want it. */
import { isoSeconds } from '@kilonova/base/clock.ts'
import type { FastifyInstance } from 'fastify'
import { sql, type Selectable } from 'kysely'
import { z } from 'zod'
import { parsed } from '../../openstack/body.ts'
import { mustWrite, owns, type Caller } from '../../openstack/caller.ts'
import { conflict, Fault, forbidden, notFound } from '../../openstack/fault.ts'
import { withCaller } from '../../openstack/token-check.ts'
import { changeableImage, visibleImage, type ImageContext } from '../context.ts'
import type { Image } from '../store/images.ts'
import type { ImageTables } from '../store/tables.ts'

const view = (row: Selectable<ImageTables['image_members']>) => ({
  image_id: row.image_id,
  member_id: row.member,
  status: row.status,
  created_at: isoSeconds(row.created_at),
  updated_at: isoSeconds(row.updated_at),
  schema: '/v2/schemas/member',
})

const MAX_MEMBERS = 128

/** Errors: 404, 403 for one that is for all or for nobody. */
async function sharedImage(ctx: ImageContext, caller: Caller, id: string): Promise<Image> {
  const image = await visibleImage(ctx, caller, id)
  if (image.visibility !== 'shared') throw forbidden('Only shared images have members.')
  return image
}

/** Glance tells of one member as if what must not be seen were not there. */
function hidden(error: unknown): never {
  throw error instanceof Fault && error.status === 403 ? notFound(error.message) : error
}

export function memberRoutes(app: FastifyInstance, ctx: ImageContext): void {
  const { kysely } = ctx.database
  type Params = { id: string; member: string }

  app.get(
    '/v2/images/:id/members',
    withCaller(ctx.check, async (caller, request) => {
      const { id } = request.params as Params
      const image = await sharedImage(ctx, caller, id)
      let query = kysely.selectFrom('image_members').selectAll().where('image_id', '=', id).orderBy('member')
      if (!owns(caller, image.owner)) query = query.where('member', '=', caller.projectId)
      return { members: (await query.execute()).map(view), schema: '/v2/schemas/members' }
    }),
  )

  app.get(
    '/v2/images/:id/members/:member',
    withCaller(ctx.check, async (caller, request) => {
      const { id, member } = request.params as Params
      const image = await sharedImage(ctx, caller, id).catch(hidden)
      const row = await kysely
        .selectFrom('image_members')
        .selectAll()
        .where('image_id', '=', id)
        .where('member', '=', member)
        .executeTakeFirst()
      if (!row || (!owns(caller, image.owner) && member !== caller.projectId))
        throw notFound(`${member} not found in the member list of the image ${id}.`)
      return view(row)
    }),
  )

  app.post(
    '/v2/images/:id/members',
    withCaller(ctx.check, async (caller, request) => {
      const { id } = request.params as Params
      const { member } = parsed(z.object({ member: z.string().min(1).max(255) }), request.body)
      await sharedImage(ctx, caller, id)
      await changeableImage(ctx, caller, id)
      const { count } = await kysely
        .selectFrom('image_members')
        .select(sql<number>`count(*)`.as('count'))
        .where('image_id', '=', id)
        .executeTakeFirstOrThrow()
      if (Number(count) >= MAX_MEMBERS) throw new Fault(413, `An image may have at most ${MAX_MEMBERS} members.`)
      const now = ctx.clock.now()
      const row = await kysely
        .insertInto('image_members')
        .values({ image_id: id, member, status: 'pending', created_at: now, updated_at: now })
        .onConflict((there) => there.doNothing())
        .returningAll()
        .executeTakeFirst()
      if (!row) throw conflict(`The target member ${member} is already associated with image ${id}.`)
      return view(row)
    }),
  )

  app.put(
    '/v2/images/:id/members/:member',
    withCaller(ctx.check, async (caller, request) => {
      const { id, member } = request.params as Params
      const { status } = parsed(z.object({ status: z.enum(['pending', 'accepted', 'rejected']) }), request.body)
      mustWrite(caller)
      await sharedImage(ctx, caller, id)
      if (member !== caller.projectId && !caller.admin) throw forbidden('Only a member may change their own status.')
      const row = await kysely
        .updateTable('image_members')
        .set({ status, updated_at: ctx.clock.now() })
        .where('image_id', '=', id)
        .where('member', '=', member)
        .returningAll()
        .executeTakeFirst()
      if (!row) throw notFound(`${member} not found in the member list of the image ${id}.`)
      return view(row)
    }),
  )

  app.delete(
    '/v2/images/:id/members/:member',
    withCaller(ctx.check, async (caller, request, reply) => {
      const { id, member } = request.params as Params
      await sharedImage(ctx, caller, id)
      await changeableImage(ctx, caller, id)
      const { numDeletedRows } = await kysely
        .deleteFrom('image_members')
        .where('image_id', '=', id)
        .where('member', '=', member)
        .executeTakeFirst()
      if (numDeletedRows === 0n) throw notFound(`${member} not found in the member list of the image ${id}.`)
      return reply.code(204).send()
    }),
  )
}
