/** `/v3/users`: managed by their domain's managers; anybody sees themselves and changes their own password. Nothing of a password is ever shown. */
import type { FastifyInstance } from 'fastify'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { unauthorized } from '../../openstack/fault.ts'
import { audit } from '../audit.ts'
import { byPassword } from '../authenticate.ts'
import { authenticated, type IdentityContext } from '../context.ts'
import { notFound, refusedAction } from '../errors.ts'
import { hashPassword } from '../password.ts'
import { maySee, must } from '../policy.ts'
import { forgetActor } from '../store/assignments.ts'
import { inexact, selectEqual } from '../store/select-equal.ts'
import type { IdentityTables } from '../store/tables.ts'
import { collection } from './collection.ts'
import { crudRoutes, framed, newId } from './crud.ts'
import { description, enabled, extraOf, idField, mergedOptions, nameField } from './fields.ts'
import { mustBeDomain, mustStayInDomain, ownDomain } from './own-domain.ts'
import { groupView, userView } from './views.ts'

type User = Selectable<IdentityTables['users']>

const FILTERS = { name: 'text', domain_id: 'text', enabled: 'boolean' } as const
/** Kept and shown; `ignore_lockout_failure_attempts` and `lock_password` have their effect. More than one factor there is not. */
const flagOption = z.boolean().nullish()
const userOptions = z
  .strictObject({
    ignore_change_password_upon_first_use: flagOption,
    ignore_password_expiry: flagOption,
    ignore_lockout_failure_attempts: flagOption,
    ignore_user_inactivity: flagOption,
    lock_password: flagOption,
    multi_factor_auth_enabled: z.literal(false).nullish(),
  })
  .optional()
const password = z.string().min(1).max(4096)
const create = z.looseObject({
  name: nameField(),
  domain_id: idField.nullish(),
  password: password.nullish(),
  email: z.string().max(255).nullish(),
  default_project_id: idField.nullish(),
  description,
  enabled,
  options: userOptions,
})
const change = create.partial()
const newPassword = z.object({ password, original_password: z.string().max(4096) })

export function userRoutes(app: FastifyInstance, ctx: IdentityContext): void {
  const { kysely } = ctx.database
  const find = (id: string) => kysely.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst()

  crudRoutes(app, ctx, {
    one: 'user',
    many: 'users',
    create,
    change,
    domainOf: (row) => row.domain_id,
    domainOfNew: (body, caller) => body.domain_id ?? ownDomain(caller),
    alsoSees: ({ token }, { id }) => token.userId === id,
    select: async (db, query) =>
      inexact(
        await selectEqual(db.selectFrom('users').selectAll().orderBy('name'), FILTERS, query).execute(),
        FILTERS,
        query,
      ),
    find: (_db, id) => find(id),
    insert: async (db, body, caller): Promise<User> => {
      const domainId = body.domain_id ?? ownDomain(caller)
      await mustBeDomain(db, domainId)
      return db
        .insertInto('users')
        .values({
          id: newId(),
          name: body.name,
          domain_id: domainId,
          description: body.description ?? '',
          email: body.email ?? null,
          enabled: Number(body.enabled ?? true),
          default_project_id: body.default_project_id ?? null,
          password_hash: body.password ? await hashPassword(body.password) : '',
          planned_hash: null,
          tokens_from: 0,
          options: mergedOptions('{}', body.options),
          extra: extraOf(body, create),
        })
        .returningAll()
        .executeTakeFirstOrThrow()
    },
    update: async (db, row, body): Promise<User> => {
      mustStayInDomain(row, body)
      const hash = body.password ? await hashPassword(body.password) : undefined
      return db
        .updateTable('users')
        .set({
          name: body.name ?? row.name,
          description: body.description ?? row.description,
          email: body.email === undefined ? row.email : body.email,
          enabled: Number(body.enabled ?? row.enabled),
          default_project_id: body.default_project_id === undefined ? row.default_project_id : body.default_project_id,
          ...(hash === undefined ? {} : { password_hash: hash }),
          ...(hash === undefined && body.enabled !== false ? {} : { tokens_from: ctx.clock.now() }),
          options: mergedOptions(row.options, body.options),
          extra: extraOf(body, create, row.extra),
        })
        .where('id', '=', row.id)
        .returningAll()
        .executeTakeFirstOrThrow()
    },
    remove: (db, { id }) =>
      db.transaction().execute(async (tx) => {
        await forgetActor(tx, 'user', id)
        await tx.deleteFrom('users').where('id', '=', id).execute()
      }),
    view: userView,
    revokes: (before, after) =>
      !after || after.tokens_from !== before.tokens_from || after.name !== before.name
        ? { userId: before.id }
        : undefined,
  })

  app.post('/v3/users/:id/password', async (request, reply) => {
    const { id } = request.params as { id: string }
    const body = framed('user', newPassword, request.body)
    const told = (outcome: 'success' | 'failure') =>
      audit(ctx, request, { event: 'change password', outcome, actor: id, target: id })
    try {
      await byPassword(ctx, { id, password: body.original_password }, request.ip)
    } catch (error) {
      told('failure')
      throw error
    }
    const user = await find(id)
    if (user && (JSON.parse(user.options) as { lock_password?: boolean }).lock_password)
      throw refusedAction('The password of this user is changed by an administrator only')
    const changed = await kysely
      .updateTable('users')
      .set({ password_hash: await hashPassword(body.password), tokens_from: ctx.clock.now() })
      .where('id', '=', id)
      .returning('id')
      .executeTakeFirst()
    if (!changed) throw unauthorized()
    ctx.revocations.tell({ userId: id })
    told('success')
    return reply.code(204).send()
  })

  app.get(
    '/v3/users/:id/groups',
    authenticated(ctx, async (caller, request) => {
      const { id } = request.params as { id: string }
      const user = await find(id)
      must(caller.token.userId === id || maySee(caller, user?.domain_id), 'list_groups_for_user')
      if (!user) throw notFound('user', id)
      const rows = await kysely
        .selectFrom('groups')
        .innerJoin('memberships', 'memberships.group_id', 'groups.id')
        .selectAll('groups')
        .where('memberships.user_id', '=', id)
        .orderBy('groups.name')
        .execute()
      return collection(
        request,
        'groups',
        rows.map((row) => ({ ...groupView(request, row), membership_expires_at: null })),
      )
    }),
  )
}
