/** `/v3/groups` and who is in them: roles given to a group are held by its members. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Fault } from '../../openstack/fault.ts'
import { audit } from '../audit.ts'
import { authenticated, type IdentityContext } from '../context.ts'
import { notFound } from '../errors.ts'
import { mayManage, maySee, must, type Holder } from '../policy.ts'
import { forgetActor } from '../store/assignments.ts'
import { inexact, selectEqual } from '../store/select-equal.ts'
import { collection } from './collection.ts'
import { crudRoutes, newId } from './crud.ts'
import { description, extraOf, idField, nameField } from './fields.ts'
import { mustBeDomain, mustStayInDomain, ownDomain } from './own-domain.ts'
import { groupView, userView } from './views.ts'

const FILTERS = { name: 'text', domain_id: 'text' } as const
const create = z.looseObject({ name: nameField(64), domain_id: idField.nullish(), description })
const change = create.partial()

export function groupRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  crudRoutes(app, ctx, {
    one: 'group',
    many: 'groups',
    create,
    change,
    domainOf: (row) => row.domain_id,
    domainOfNew: (body, caller) => body.domain_id ?? ownDomain(caller),
    alsoSees: async ({ token }, { id }) => (await membership(ctx, id, token.userId)) !== undefined,
    select: async (db, query) =>
      inexact(
        await selectEqual(db.selectFrom('groups').selectAll().orderBy('name'), FILTERS, query).execute(),
        FILTERS,
        query,
      ),
    find: (db, id) => db.selectFrom('groups').selectAll().where('id', '=', id).executeTakeFirst(),
    insert: async (db, body, caller) => {
      const domainId = body.domain_id ?? ownDomain(caller)
      await mustBeDomain(db, domainId)
      return db
        .insertInto('groups')
        .values({
          id: newId(),
          name: body.name,
          domain_id: domainId,
          description: body.description ?? '',
          extra: extraOf(body, create),
        })
        .returningAll()
        .executeTakeFirstOrThrow()
    },
    update: (db, row, body) => {
      mustStayInDomain(row, body)
      return db
        .updateTable('groups')
        .set({
          name: body.name ?? row.name,
          description: body.description ?? row.description,
          extra: extraOf(body, create, row.extra),
        })
        .where('id', '=', row.id)
        .returningAll()
        .executeTakeFirstOrThrow()
    },
    remove: (db, { id }) =>
      db.transaction().execute(async (tx) => {
        await forgetActor(tx, 'group', id)
        await tx.deleteFrom('groups').where('id', '=', id).execute()
      }),
    view: groupView,
    revokes: (_before, after) => (after ? undefined : {}),
  })
  memberRoutes(app, ctx)
}

const notMember = (userId: string, groupId: string) =>
  new Fault(404, `User '${userId}' not found in group '${groupId}'`)

const membership = ({ database }: IdentityContext, groupId: string, userId: string) =>
  database.kysely
    .selectFrom('memberships')
    .selectAll()
    .where('group_id', '=', groupId)
    .where('user_id', '=', userId)
    .executeTakeFirst()

function memberRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  const { kysely } = ctx.database
  type Params = { id: string; userId: string }
  const path = '/v3/groups/:id/users/:userId'

  /** The group and the user are there, and the caller may do this to both. Errors: 403, 404. */
  const pair = async (caller: Holder, request: FastifyRequest, action: string, may: typeof maySee) => {
    const { id, userId } = request.params as Params
    const group = await kysely.selectFrom('groups').select('domain_id').where('id', '=', id).executeTakeFirst()
    const user = await kysely.selectFrom('users').select('domain_id').where('id', '=', userId).executeTakeFirst()
    must(
      may(caller, group?.domain_id) &&
        (may(caller, user?.domain_id) || (user === undefined && may(caller, caller.token.domainId))),
      action,
    )
    if (!group) throw notFound('group', id)
    if (!user) throw notFound('user', userId)
    return { id, userId }
  }
  const told = (caller: Holder, request: FastifyRequest, event: string, { id, userId }: Params) => {
    ctx.revocations.tell({ userId })
    const facts = { group: id }
    audit(ctx, request, { event, outcome: 'success', actor: caller.token.userId, target: userId, facts })
  }

  app.get(
    '/v3/groups/:id/users',
    authenticated(ctx, async (caller, request) => {
      const { id } = request.params as Params
      const group = await kysely.selectFrom('groups').select('domain_id').where('id', '=', id).executeTakeFirst()
      must(maySee(caller, group?.domain_id), 'list_users_in_group')
      if (!group) throw notFound('group', id)
      const rows = await kysely
        .selectFrom('users')
        .innerJoin('memberships', 'memberships.user_id', 'users.id')
        .selectAll('users')
        .where('memberships.group_id', '=', id)
        .orderBy('users.name')
        .execute()
      return collection(
        request,
        'users',
        rows.map((row) => userView(request, row)),
      )
    }),
  )
  app.put(
    path,
    authenticated(ctx, async (caller, request, reply) => {
      const params = await pair(caller, request, 'add_user_to_group', mayManage)
      await kysely
        .insertInto('memberships')
        .values({ group_id: params.id, user_id: params.userId })
        .onConflict((there) => there.doNothing())
        .execute()
      told(caller, request, 'add user to group', params)
      return reply.code(204).send()
    }),
  )
  app.get(
    path,
    authenticated(ctx, async (caller, request, reply) => {
      const { id, userId } = await pair(caller, request, 'check_user_in_group', maySee)
      if (!(await membership(ctx, id, userId))) throw notMember(userId, id)
      return reply.code(204).send()
    }),
  )
  app.delete(
    path,
    authenticated(ctx, async (caller, request, reply) => {
      const params = await pair(caller, request, 'remove_user_from_group', mayManage)
      if (!(await membership(ctx, params.id, params.userId))) throw notMember(params.userId, params.id)
      await kysely
        .deleteFrom('memberships')
        .where('group_id', '=', params.id)
        .where('user_id', '=', params.userId)
        .execute()
      told(caller, request, 'remove user from group', params)
      return reply.code(204).send()
    }),
  )
}
